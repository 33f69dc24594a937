// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What does the unwind table of a large program cost? One line: rows, bytes in all, rules, bytes of code covered,
 * milliseconds of CPU to build it (median of the rounds), steps of a look-up on average and at most, and
 * nanoseconds of a look-up at random addresses.
 *
 *   unwind FILE [ROUNDS]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "image.h"
#include "unwind_table.h"

#define LOOKUPS 1000000

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

int main(int argc, char **argv)
{
	unsigned int nr = argc > 2 ? strtoul(argv[2], NULL, 10) : 5, steps, most = 0;
	struct unwind_table *t = NULL;
	struct unwind_arrays arrays;
	struct unwind_stats stats;
	uint64_t seed = 88172645463325252ull, sum = 0;
	struct image *img = NULL;
	double ms[64], begin;
	unsigned int i;

	if (argc < 2 || image__open(&img, argv[1])) {
		fprintf(stderr, "unwind: no image can be opened\n");
		return 1;
	}
	for (i = 0; i < nr && i < 64; i++) {
		unwind_table__free(t);
		t = NULL;
		begin = cpu_ms();
		if (unwind_table__new(&t, img)) {
			fprintf(stderr, "unwind: %s: no table\n", argv[1]);
			return 1;
		}
		ms[i] = cpu_ms() - begin;
	}
	qsort(ms, i, sizeof(*ms), compare);
	unwind_table__arrays(t, &arrays);
	unwind_table__stats(t, &stats);
	begin = cpu_ms();
	for (nr = 0; nr < LOOKUPS; nr++) {
		unwind_table__lookup(t, arrays.base + next_random(&seed) % (arrays.nr_pages << 16), &steps);
		sum += steps;
		most = steps > most ? steps : most;
	}
	begin = cpu_ms() - begin;
	printf("%zu %" PRIu64 " %zu %" PRIu64 " %.1f %.1f %u %.0f\n", arrays.nr_rows, stats.bytes, arrays.nr_rules,
	       stats.covered_bytes, ms[i / 2], (double)sum / LOOKUPS, most, begin * 1e6 / LOOKUPS);
	unwind_table__free(t);
	image__free(img);
	return 0;
}
