// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How fast are addresses named? For tests/bench/symbols, which asks others the same.
 *
 *   symbols IMAGE list N		N addresses of its code, the same in every run
 *   symbols IMAGE names|lines|reader	name the addresses of standard input: "ADDRESS FUNCTION FILE LINE" of every frame,
 *				innermost first, - for what is not known; on standard error the CPU ms of opening, of
 *				naming, its wall ms, and the peak of memory in kB. reader: lines, but the image is read by
 *				a process without rights, whose CPU ms and peak of memory are the last two numbers
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "clock.h"
#include "grow.h"
#include "image.h"
#include "readers.h"
#include "sym_answers.h"
#include "symbolizer.h"
#include "symtab.h"

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

/* getrusage() has that of whoever started this one in it. */
static long peak_kb(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Evenly over the code that has a symbol. */
static int list(struct image *img, size_t nr)
{
	uint64_t seed = 88172645463325252ull, addr, len = 0, at;
	struct symtab_sym sym;
	struct symtab *st;
	size_t i;

	if (symtab__new(&st, img))
		return 1;
	for (i = 0; i < image__nr_texts(img); i++)
		len += image__text(img, i)->len;
	while (nr && len) {
		at = next_random(&seed) % len;
		for (i = 0; at >= image__text(img, i)->len; i++)
			at -= image__text(img, i)->len;
		addr = image__text(img, i)->addr + at;
		if (symtab__lookup(st, addr, &sym))
			continue;
		printf("0x%" PRIx64 "\n", addr);
		nr--;
	}
	symtab__free(st);
	return 0;
}

struct named {
	uint64_t addr;
	const struct sym_frame *frames;
	size_t nr;
};

/* Of those who name for people the output is a part of the time: as much of it, and none of it formatted at leisure. */
static void print_frame(uint64_t addr, const struct sym_frame *f)
{
	char digits[32], *p = digits + sizeof(digits);
	uint32_t line = f->line;

	*--p = '\0';
	do
		*--p = "0123456789abcdef"[addr & 15];
	while (addr >>= 4);
	*--p = 'x';
	*--p = '0';
	fputs_unlocked(p, stdout);
	putchar_unlocked('\t');
	fputs_unlocked(f->name, stdout);
	putchar_unlocked('\t');
	fputs_unlocked(f->file ? f->file : "-", stdout);
	p = digits + sizeof(digits);
	*--p = '\0';
	*--p = '\n';
	do
		*--p = '0' + line % 10;
	while (line /= 10);
	*--p = '\t';
	fputs_unlocked(p, stdout);
}

static int resolve(struct symbolizer *s)
{
	struct named *all = NULL;
	size_t nr = 0, room = 0, i, k;
	char line[64];
	uint64_t wall;
	double begin;

	while (fgets_unlocked(line, sizeof(line), stdin)) {
		if (grow__to((void **)&all, &room, nr + 1, sizeof(*all)))
			return 1;
		all[nr++].addr = strtoull(line, NULL, 16);
	}
	begin = cpu_ms();
	wall = clock__mono_ns();
	for (i = 0; i < nr; i++)
		symbolizer__expect(s, all[i].addr, false);
	for (i = 0; i < nr; i++)
		all[i].nr = symbolizer__resolve(s, all[i].addr, false, &all[i].frames);
	fprintf(stderr, "%.1f %.1f ", cpu_ms() - begin, (clock__mono_ns() - wall) / 1e6);
	for (i = 0; i < nr; i++)
		for (k = 0; k < all[i].nr; k++)
			print_frame(all[i].addr, &all[i].frames[k]);
	free(all);
	return 0;
}

/* Its process is waited for, so that its time is part of this one's account. */
static int resolve_by_reader(const char *path)
{
	struct symbolizer *s = NULL;
	struct readers *rs = NULL;
	struct reader *r = NULL;
	struct sym_source src;
	struct rusage ru;
	int err;

	if (symbolizer__new(&s) || readers__start(&rs, NULL) || reader__open(rs, path, false, &r) ||
	    reader__source(r, true, &src) || symbolizer__add_source(s, &src, 0, true))
		return 1;
	fprintf(stderr, "%.1f ", cpu_ms());
	err = resolve(s);
	symbolizer__put(s);
	reader__put(r);
	readers__stop(rs);
	getrusage(RUSAGE_CHILDREN, &ru);
	fprintf(stderr, "%ld %.1f %ld\n", peak_kb(),
		(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e3 + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e3,
		ru.ru_maxrss);
	return err;
}

int main(int argc, char **argv)
{
	struct symbolizer *s = NULL;
	struct image *img = NULL;
	double begin = cpu_ms();
	int err;

	if (argc > 2 && !strcmp(argv[2], "reader"))
		return resolve_by_reader(argv[1]);
	if (argc < 3 || image__open(&img, argv[1])) {
		fprintf(stderr, "symbols: no image can be opened\n");
		return 1;
	}
	if (!strcmp(argv[2], "list"))
		return list(img, argc > 3 ? strtoul(argv[3], NULL, 10) : 1000);
	if (symbolizer__new(&s))
		return 1;
	if (!strcmp(argv[2], "names"))
		symbolizer__without_lines(s);
	if (symbolizer__add_image(s, img, 0, true))
		return 1;
	fprintf(stderr, "%.1f ", cpu_ms() - begin);
	err = resolve(s);
	fprintf(stderr, "%ld\n", peak_kb());
	symbolizer__put(s);
	return err;
}
