/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_reader - what a process that reads images may answer, if it is anybody's: facts, names, unwind tables. */
#include "fuzz.h"

#include <string.h>

#include "reader_msg.h"

static void take_facts(const uint8_t *data, size_t len)
{
	struct reader_facts f = { 0 };
	uint32_t i;

	memcpy(&f, data, len < sizeof(f) ? len : sizeof(f));
	if (!reader_msg__facts_ok(&f, 1u << 20))
		return;
	FUZZ_DEMAND(strlen(f.image.build_id) < sizeof(f.image.build_id) && !strchr(f.link.name, '/'));
	for (i = 0; i < f.image.nr_texts; i++)
		FUZZ_DEMAND(f.image.texts[i].offset + f.image.texts[i].len <= 1u << 20);
}

static void take_answers(const uint8_t *data, size_t len)
{
	struct sym_answers a;
	uint32_t i;

	if (reader_msg__answers(data, len, 100, &a))
		return;
	FUZZ_DEMAND(a.nr <= 100);
	for (i = 0; i < a.nr_frames; i++)
		FUZZ_DEMAND(strlen(a.strings + a.frames[i].name) < a.strings_len &&
			    strlen(a.strings + a.frames[i].file) < a.strings_len);
	sym_answers__release(&a);
}

static void take_table(const uint8_t *data, size_t len)
{
	const struct ukp_unwind_rule *rule;
	struct unwind_arrays arrays;
	struct unwind_table *t;
	uint64_t i;

	if (reader_msg__unwind(data, len, &t))
		return;
	unwind_table__arrays(t, &arrays);
	for (i = 0; i < 1000; i++) {
		rule = unwind_table__lookup(t, arrays.base + i * 257, NULL);
		FUZZ_DEMAND(rule->cfa < UKP_CFA_MAX && rule->rbp < UKP_RBP_MAX);
	}
	unwind_table__free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t copy[1024]; /* aligned, as what malloc() gives */

	if (!len || len > sizeof(copy))
		return 0;
	memcpy(copy, data + 1, len - 1);
	if (*data % 3 == 0)
		take_facts((uint8_t *)copy, len - 1);
	else if (*data % 3 == 1)
		take_answers((uint8_t *)copy, len - 1);
	else
		take_table((uint8_t *)copy, len - 1);
	return 0;
}
