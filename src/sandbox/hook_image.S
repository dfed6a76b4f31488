/* The bytes of the static hook client and of the script that starts it;
 * HOOK_FILE and SHIM_FILE are their paths, from meson. */
	.section .rodata
	.global hook_image
	.global hook_image_end
	.global hook_shim
	.global hook_shim_end
	.balign 16
hook_image:
	.incbin HOOK_FILE
hook_image_end:
	.byte 0
hook_shim:
	.incbin SHIM_FILE
hook_shim_end:
	.byte 0
	.section .note.GNU-stack,"",%progbits
