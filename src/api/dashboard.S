/* The dashboard, as tools/bundle-dashboard made it: plain, and compressed. */
	.section .rodata
	.global api_dashboard
	.type api_dashboard, %object
api_dashboard:
	.incbin PAGE_FILE
	.size api_dashboard, . - api_dashboard
	.global api_dashboard_end
api_dashboard_end:
	.global api_dashboard_gz
	.type api_dashboard_gz, %object
api_dashboard_gz:
	.incbin PAGE_GZ_FILE
	.size api_dashboard_gz, . - api_dashboard_gz
	.global api_dashboard_gz_end
api_dashboard_gz_end:
	.section .note.GNU-stack, "", %progbits
