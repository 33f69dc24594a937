/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The parts of the interactive page, each with a NUL behind it. */

	.macro	embed name, path
	.globl	\name
	.type	\name, @object
\name:
	.incbin	"\path"
	.byte	0
	.size	\name, . - \name
	.endm

	.section .rodata
	embed	web_page, "exporters/web/page.html"
	embed	web_css, "exporters/web/viewer.css"
	embed	web_js, "exporters/web/viewer.js"
	.section .note.GNU-stack, "", @progbits
