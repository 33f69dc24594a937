/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demangle.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libiberty/demangle.h>

#define MAX_NAME 4096 /* of a longer one nothing would be readable, and templates can make it grow */

static bool is_suffix_of_clone(const char *dot)
{
	static const char *const words[] = { ".constprop.", ".isra.", ".part.", ".cold", ".lto_priv.", ".localalias" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(dot, words[i], strlen(words[i])))
			return true;
	return false;
}

/* The core of a mangled name ends where a suffix of the compiler begins. "llvm." is noise, others are told. */
static char *demangle_core(const char *name)
{
	char core[MAX_NAME], *plain, *out;
	const char *dot = strchr(name, '.');
	size_t len = dot ? (size_t)(dot - name) : strlen(name);
	int n;

	if (len >= sizeof(core))
		return NULL;
	memcpy(core, name, len);
	core[len] = '\0';
	plain = cplus_demangle(core, DMGL_ANSI | DMGL_AUTO);
	if (!plain || !dot || !strncmp(dot, ".llvm.", 6))
		return plain;
	n = asprintf(&out, "%s [clone %s]", plain, dot);
	free(plain);
	return n < 0 ? NULL : out;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "camlStdlib__List__map_345" and, from OCaml 5.1 on, "camlStdlib__List.map_345". */
static char *demangle_ocaml(const char *name)
{
	const char *in = name + 4, *end = name + strlen(name), *digits = end;
	char *out, *to;

	/* A stamp ends every function's name; without one it is data or something else. */
	while (digits > in && isdigit((unsigned char)digits[-1]))
		digits--;
	if (digits == end || digits <= in + 1 || digits[-1] != '_')
		return NULL;
	end = digits - 1;
	to = out = malloc(end - in + 1);
	if (!out)
		return NULL;
	while (in < end) {
		if (in[0] == '$' && end - in >= 3 && hex_digit(in[1]) >= 0 && hex_digit(in[2]) >= 0) {
			*to++ = hex_digit(in[1]) * 16 + hex_digit(in[2]);
			in += 3;
		} else if (in[0] == '_' && in[1] == '_' && end - in > 2) {
			*to++ = '.';
			in += 2;
		} else {
			*to++ = *in++;
		}
	}
	*to = '\0';
	/* An escaped NUL would hide the rest. */
	if (strlen(out) != (size_t)(to - out)) {
		free(out);
		return NULL;
	}
	return out;
}

char *demangle__name(const char *name)
{
	const char *dot;
	char *out;
	int n;

	if (!strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2) || !strncmp(name, "__Z", 3))
		return demangle_core(name);
	if (!strncmp(name, "caml", 4) && isupper((unsigned char)name[4]) && strnlen(name, MAX_NAME) < MAX_NAME)
		return demangle_ocaml(name);
	dot = strchr(name, '.');
	if (!dot || dot == name || !is_suffix_of_clone(dot) || strnlen(name, MAX_NAME) == MAX_NAME)
		return NULL;
	n = asprintf(&out, "%.*s [clone %s]", (int)(dot - name), name, dot);
	return n < 0 ? NULL : out;
}
