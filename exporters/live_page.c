/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "live_page.h"

#include "web_hash.h"

/* web.S */
extern const char web_live[], web_live_end[];

const void *live_page(size_t *len)
{
	*len = web_live_end - web_live;
	return web_live;
}

const char *live_page__csp(void)
{
	return "default-src 'none'; script-src 'sha256-" WEB_LIVE_JS_SHA256
	       "'; style-src 'sha256-" WEB_LIVE_CSS_SHA256
	       "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
	       "require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors 'none'";
}
