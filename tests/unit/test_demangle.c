/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "demangle.h"

static const struct {
	const char *name;
	const char *want; /* NULL: readable as it is */
} cases[] = {
	{ "main", NULL },
	{ "_start", NULL },
	{ "", NULL },
	{ "_Z3fooi", "foo" },
	{ "_ZN4http6Parser5parseEPKcm", "http::Parser::parse" },
	{ "_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back" },
	{ "_ZN4http6Parser5parseEPKcm.cold", "http::Parser::parse [clone .cold]" },
	{ "_ZN4http6Parser5parseEPKcm.constprop.0", "http::Parser::parse [clone .constprop.0]" },
	{ "_ZN4http6Parser5parseEPKcm.llvm.1234567890", "http::Parser::parse" },
	/* Rust: the old form with its hash, and v0 */
	{ "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad" },
	{ "_RNvCs4fqI2P2rA04_5crate4main", "crate::main" },
	{ "_RNvMs_NtCs4fqI2P2rA04_5crate3netNtB4_6Socket4recv", "<crate::net::Socket>::recv" },
	/* OCaml, before and after 5.1; operators are escaped */
	{ "camlUnikernel__start_412", "Unikernel.start" },
	{ "camlStdlib__List__map_345", "Stdlib.List.map" },
	{ "camlStdlib__List.map_345", "Stdlib.List.map" },
	{ "camlStdlib__$40_97", "Stdlib.@" },
	{ "camlTcpip__Segment__fun_1203", "Tcpip.Segment.fun" },
	{ "caml_alloc_small", NULL },
	{ "camlStdlib__data_begin", NULL },
	{ "camlX$00y_1", NULL },
	{ "camlX_", NULL },
	{ "caml", NULL },
	/* clones of C */
	{ "lwip_input.part.0", "lwip_input [clone .part.0]" },
	{ "memcpy.cold", "memcpy [clone .cold]" },
	{ "memcpy.1", NULL },
	{ ".cold", NULL },
	/* not what they seem */
	{ "_Z", NULL },
	{ "_Zzzz", NULL },
	{ "_R", NULL },
	{ "_ZN", NULL },
};

static void names_become_readable(void **state)
{
	size_t i;
	char *got;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got = demangle__name(cases[i].name);
		if (cases[i].want)
			assert_non_null(got);
		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		else
			assert_null(got);
		free(got);
	}
}

/* Foreign bytes: cut anywhere, and with any byte in place of any other. */
static void broken_names_do_no_harm(void **state)
{
	char name[128];
	size_t i, k, len;
	int c;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		len = strlen(cases[i].name);
		for (k = 0; k < len; k++) {
			memcpy(name, cases[i].name, len + 1);
			name[k] = '\0';
			free(demangle__name(name));
			for (c = 1; c < 256; c += 3) {
				memcpy(name, cases[i].name, len + 1);
				name[k] = (char)c;
				free(demangle__name(name));
			}
		}
	}
}

static void long_names_are_left_alone(void **state)
{
	char *name = malloc(1 << 20);

	(void)state;
	memset(name, '1', 1 << 20);
	memcpy(name, "_Z", 2);
	name[(1 << 20) - 1] = '\0';
	assert_null(demangle__name(name));
	memcpy(name, "camlX", 5);
	assert_null(demangle__name(name));
	memcpy(name, "a.cold", 6);
	assert_null(demangle__name(name));
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_readable),
		cmocka_unit_test(broken_names_do_no_harm),
		cmocka_unit_test(long_names_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
