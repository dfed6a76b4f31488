/* The bytes of the static agent; AGENT_FILE is its path, from meson. */
	.section .rodata
	.global agent_image
	.global agent_image_end
	.balign 16
agent_image:
	.incbin AGENT_FILE
agent_image_end:
	.byte 0
	.section .note.GNU-stack,"",%progbits
