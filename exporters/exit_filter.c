/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exit_filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exit_names.h"
#include "exit_stats.h"

#define VMX_BASIC_REASON 0xffffu

/* Other words for a reason; mostly those of the other vendor. */
static const struct {
	const char *word;
	struct exit_filter_item item;
} aliases[] = {
	{ "io", { EXIT_ISA_VMX, 30 } },
	{ "ioio", { EXIT_ISA_VMX, 30 } },
	{ "ioio", { EXIT_ISA_SVM, 0x7b } },
	{ "IO_INSTRUCTION", { EXIT_ISA_SVM, 0x7b } },
	{ "msr", { EXIT_ISA_VMX, 31 } },
	{ "msr", { EXIT_ISA_VMX, 32 } },
	{ "npf", { EXIT_ISA_VMX, 48 } },
	{ "npf", { EXIT_ISA_VMX, 49 } },
	{ "EPT_VIOLATION", { EXIT_ISA_SVM, 0x400 } },
	{ "hypercall", { EXIT_ISA_VMX, 18 } },
	{ "vmmcall", { EXIT_ISA_VMX, 18 } },
	{ "vmmcall", { EXIT_ISA_SVM, 0x81 } },
	{ "VMCALL", { EXIT_ISA_SVM, 0x81 } },
	{ "interrupt", { EXIT_ISA_VMX, 1 } },
	{ "EXTERNAL_INTERRUPT", { EXIT_ISA_SVM, 0x60 } },
	{ "vintr", { EXIT_ISA_VMX, 7 } },
	{ "INTERRUPT_WINDOW", { EXIT_ISA_SVM, 0x64 } },
	{ "pause", { EXIT_ISA_VMX, 40 } },
	{ "PAUSE_INSTRUCTION", { EXIT_ISA_SVM, 0x77 } },
	{ "mwait", { EXIT_ISA_VMX, 36 } },
	{ "MWAIT_INSTRUCTION", { EXIT_ISA_SVM, 0x8b } },
	{ "monitor", { EXIT_ISA_VMX, 39 } },
	{ "MONITOR_INSTRUCTION", { EXIT_ISA_SVM, 0x8a } },
	{ "shutdown", { EXIT_ISA_VMX, 2 } },
	{ "TRIPLE_FAULT", { EXIT_ISA_SVM, 0x7f } },
	{ "buslock", { EXIT_ISA_VMX, 74 } },
	{ "BUS_LOCK", { EXIT_ISA_SVM, 0xa5 } },
};

static int fold(char c)
{
	return c == ' ' || c == '-' ? '_' : tolower((unsigned char)c);
}

static bool is_word(const char *a, const char *b)
{
	while (*a && fold(*a) == fold(*b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

static int choose(struct exit_filter *f, uint32_t isa, uint32_t reason)
{
	struct exit_filter_item *items;

	items = reallocarray(f->items, f->nr + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	f->items = items;
	items[f->nr++] = (struct exit_filter_item){ isa, reason };
	return 0;
}

static int add_code(struct exit_filter *f, const char *word)
{
	unsigned long long code;
	char *end;

	if (!strncasecmp(word, "UNKNOWN_", 8)) /* as exit_names prints it */
		word += 8;
	if (!isdigit((unsigned char)word[0]))
		return -ENOENT;
	errno = 0;
	code = strtoull(word, &end, !strncasecmp(word, "0x", 2) ? 16 : 10);
	if (errno || *end || code > UINT32_MAX)
		return -ENOENT;
	return choose(f, EXIT_ISA_UNKNOWN, code);
}

int exit_filter__add(struct exit_filter *f, const char *word)
{
	size_t i, nr = f->nr;
	uint32_t isa, code;
	const char *name;
	int err = 0;

	for (isa = EXIT_ISA_VMX; isa <= EXIT_ISA_SVM; isa++)
		for (i = 0; !err && (name = exit_names__nth(isa, i, &code)); i++)
			if (is_word(name, word))
				err = choose(f, isa, code);
	for (i = 0; !err && i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (is_word(aliases[i].word, word))
			err = choose(f, aliases[i].item.isa, aliases[i].item.reason);
	if (err || f->nr > nr)
		return err;
	return add_code(f, word);
}

void exit_filter__free(struct exit_filter *f)
{
	free(f->items);
	f->items = NULL;
	f->nr = 0;
}

bool exit_filter__match(const struct exit_filter *f, uint32_t isa, uint32_t reason)
{
	const struct exit_filter_item *item;
	size_t i;

	for (i = 0; f && i < f->nr; i++) {
		item = &f->items[i];
		if (item->isa != EXIT_ISA_UNKNOWN && item->isa != isa)
			continue;
		if (item->reason == reason ||
		    (isa == EXIT_ISA_VMX && item->reason == (reason & VMX_BASIC_REASON)))
			return true;
	}
	return !f;
}
