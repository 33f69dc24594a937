/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_image - an ELF file of anybody's making: symbols, unwind table, lines and names of its addresses. */
#include "fuzz.h"

#include <string.h>

#include "demangle.h"
#include "image.h"
#include "lines.h"
#include "symtab.h"
#include "unwind_table.h"

#define MAX_LEN (1u << 20)

static void look_up_names(struct image *img, const uint64_t *addrs, size_t nr)
{
	struct symtab_sym sym;
	struct symtab *st;
	size_t i;

	if (symtab__new(&st, img))
		return;
	for (i = 0; i < nr; i++)
		if (!symtab__lookup(st, addrs[i], &sym))
			FUZZ_DEMAND(sym.name && strlen(sym.name) < MAX_LEN);
	symtab__free(st);
}

static void look_up_rules(struct image *img, const uint64_t *addrs, size_t nr)
{
	struct unwind_table *table;
	unsigned int steps;
	size_t i;

	if (unwind_table__new(&table, img))
		return;
	for (i = 0; i < nr; i++) {
		steps = 0;
		unwind_table__lookup(table, addrs[i], &steps);
		FUZZ_DEMAND(steps < 64);
	}
	unwind_table__free(table);
}

static void look_up_lines(int fd, const uint64_t *addrs, size_t nr)
{
	struct lines_frame frames[LINES_MAX_FRAMES];
	struct lines *lines;
	size_t i;

	if (lines__open(&lines, fd))
		return;
	for (i = 0; i < nr; i++) {
		FUZZ_DEMAND(lines__lookup(lines, addrs[i], frames) <= LINES_MAX_FRAMES);
		lines__unit(lines, addrs[i], NULL);
	}
	lines__free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t addrs[64];
	struct image *img;
	size_t i, nr = 0;
	char path[32];
	int fd;

	if (len > MAX_LEN)
		return 0;
	fd = fuzz_file(data, len, path);
	if (image__open(&img, path) == IMAGE_OK) {
		addrs[nr++] = 0;
		addrs[nr++] = UINT64_MAX;
		addrs[nr++] = image__entry(img);
		for (i = 0; i < image__nr_texts(img) && nr + 8 < 64; i++) {
			const struct image_text *text = image__text(img, i);

			addrs[nr++] = text->addr;
			addrs[nr++] = text->addr + text->len;
			addrs[nr++] = text->addr + text->len / 2;
			addrs[nr++] = text->addr + text->len / 3;
		}
		look_up_names(img, addrs, nr);
		look_up_rules(img, addrs, nr);
		look_up_lines(fd, addrs, nr);
		image__free(img);
	}
	close(fd);
	return 0;
}
