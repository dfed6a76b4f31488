/* The component schemas of openapi.json, as they stand in schemas.json. */
	.section .rodata
	.global api_schemas
	.type api_schemas, %object
api_schemas:
	.incbin SCHEMAS_FILE
	.byte 0
	.size api_schemas, . - api_schemas
	.section .note.GNU-stack, "", %progbits
