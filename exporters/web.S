/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The parts of the interactive page, each with a NUL behind it; the live page as the Makefile put it together. */

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
	.globl	web_js
	.type	web_js, @object
web_js:
	.incbin	"exporters/web/flame.js"
	.incbin	"exporters/web/viewer.js"
	.byte	0
	.size	web_js, . - web_js
	.globl	web_live, web_live_end
	.type	web_live, @object
web_live:
	.incbin	"live_page.html"
web_live_end:
	.size	web_live, . - web_live
	.section .note.GNU-stack, "", @progbits
