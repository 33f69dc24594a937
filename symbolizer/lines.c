/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lines.h"

#include <dwarf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <elfutils/libdw.h>

#include "scopes.h"

#define MAX_RANGES 65536u /* of one unit */

_Static_assert(LINES_MAX_FRAMES >= SCOPES_MAX_FOUND, "a frame for each scope");

struct unit {
	Dwarf_Die die;
	bool is_read;
	struct scopes scopes;
	Dwarf_Lines *lines;
	size_t nr_lines, last_row; /* that was found */
	Dwarf_Files *files; /* NULL: none */
	size_t nr_files;
};

struct unit_range {
	uint64_t start;
	uint64_t end;
	uint32_t unit;
};

struct lines {
	int fd;
	Dwarf *dwarf;
	struct unit *units;
	size_t nr_units;
	struct unit_range *ranges; /* by start */
	size_t nr_ranges;
	struct scope_scratch scratch;
};

static void *grown(void *array, size_t nr, size_t size)
{
	/* By doubling, told by the number alone. */
	if (nr & (nr - 1))
		return array;
	return reallocarray(array, nr ? 2 * nr : 1, size);
}

static int compare_ranges(const void *pa, const void *pb)
{
	const struct unit_range *a = pa, *b = pb;

	return (a->start > b->start) - (a->start < b->start);
}

static int add_unit(struct lines *l, Dwarf_Die *cu)
{
	Dwarf_Addr base, start, end;
	struct unit_range *ranges;
	struct unit *units;
	ptrdiff_t at = 0;
	unsigned int n;

	units = grown(l->units, l->nr_units, sizeof(*units));
	if (!units)
		return -ENOMEM;
	l->units = units;
	units[l->nr_units] = (struct unit){ .die = *cu };
	for (n = 0; n < MAX_RANGES && (at = dwarf_ranges(cu, at, &base, &start, &end)) > 0; n++) {
		if (start >= end)
			continue;
		ranges = grown(l->ranges, l->nr_ranges, sizeof(*ranges));
		if (!ranges)
			return -ENOMEM;
		l->ranges = ranges;
		ranges[l->nr_ranges++] = (struct unit_range){ start, end, l->nr_units };
	}
	l->nr_units++;
	return 0;
}

static int add_units(struct lines *l)
{
	Dwarf_Off off = 0, next;
	Dwarf_Die cu;
	size_t header;
	int err;

	while (!dwarf_nextcu(l->dwarf, off, &next, &header, NULL, NULL, NULL)) {
		if (dwarf_offdie(l->dwarf, off + header, &cu)) {
			err = add_unit(l, &cu);
			if (err)
				return err;
		}
		if (next <= off)
			break;
		off = next;
	}
	if (l->nr_ranges)
		qsort(l->ranges, l->nr_ranges, sizeof(*l->ranges), compare_ranges);
	return l->nr_ranges ? 0 : -ENOENT;
}

int lines__open(struct lines **out, int fd)
{
	struct lines *l;
	int err;

	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	err = l->fd < 0 ? -errno : 0;
	if (!err) {
		l->dwarf = dwarf_begin(l->fd, DWARF_C_READ);
		err = l->dwarf ? add_units(l) : -ENOENT;
	}
	if (err) {
		lines__free(l);
		return err;
	}
	*out = l;
	return 0;
}

void lines__free(struct lines *l)
{
	size_t i;

	if (!l)
		return;
	for (i = 0; i < l->nr_units; i++)
		scopes__drop(&l->units[i].scopes);
	free(l->scratch.all);
	free(l->units);
	free(l->ranges);
	if (l->dwarf)
		dwarf_end(l->dwarf);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

/* --- one unit --- */

static struct unit *find_unit(struct lines *l, uint64_t addr)
{
	size_t lo = 0, hi = l->nr_ranges, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (l->ranges[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && addr < l->ranges[lo - 1].end ? &l->units[l->ranges[lo - 1].unit] : NULL;
}

static void read_unit(struct lines *l, struct unit *u)
{
	u->is_read = true;
	scopes__read(&u->scopes, &u->die, &l->scratch);
	if (dwarf_getsrclines(&u->die, &u->lines, &u->nr_lines))
		u->lines = NULL;
	if (dwarf_getsrcfiles(&u->die, &u->files, &u->nr_files)) {
		u->files = NULL;
		u->nr_files = 0;
	}
}

static uint64_t row_addr(const struct unit *u, size_t i)
{
	Dwarf_Addr addr;

	return dwarf_lineaddr(dwarf_onesrcline(u->lines, i), &addr) ? UINT64_MAX : addr;
}

static Dwarf_Line *find_line(struct unit *u, uint64_t addr)
{
	size_t lo = 0, hi = u->lines ? u->nr_lines : 0, mid, step;
	Dwarf_Line *line;
	bool end;

	/* libdw has them sorted by address. Most addresses are asked for in their order: it is not far from the last one. */
	if (u->last_row < hi && row_addr(u, u->last_row) <= addr) {
		lo = u->last_row + 1;
		for (step = 1; lo + step < hi && row_addr(u, lo + step) <= addr; step *= 2)
			lo += step + 1;
		if (lo + step < hi)
			hi = lo + step;
	}
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (row_addr(u, mid) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	u->last_row = lo - 1;
	line = dwarf_onesrcline(u->lines, lo - 1);
	return dwarf_lineendsequence(line, &end) || end ? NULL : line;
}

static const char *call_file_of(const struct unit *u, const struct scope *s)
{
	return s->call_file && s->call_file < u->nr_files ? dwarf_filesrc(u->files, s->call_file, NULL, NULL) : NULL;
}

size_t lines__lookup(struct lines *l, uint64_t addr, struct lines_frame *frames)
{
	struct scope *scopes[SCOPES_MAX_FOUND];
	Dwarf_Line *line;
	size_t nr, i;
	struct unit *u;
	int number;

	u = find_unit(l, addr);
	if (!u)
		return 0;
	if (!u->is_read)
		read_unit(l, u);
	line = find_line(u, addr);
	nr = scopes__find(&u->scopes, addr, &l->scratch, scopes);
	/* Without a scope the line alone is worth telling. */
	memset(frames, 0, (nr ? nr : 1) * sizeof(*frames));
	if (line) {
		frames[0].file = dwarf_linesrc(line, NULL, NULL);
		if (!dwarf_lineno(line, &number) && number > 0)
			frames[0].line = number;
	}
	for (i = 0; i < nr; i++) {
		frames[i].name = scopes__name(&u->scopes, scopes[i]);
		if (i + 1 < nr) {
			frames[i + 1].file = call_file_of(u, scopes[i]);
			frames[i + 1].line = scopes[i]->call_line;
		}
	}
	return nr ? nr : line ? 1 : 0;
}

static const char *dir_of(Dwarf_Die *cu)
{
	Dwarf_Attribute attr;

	return dwarf_formstring(dwarf_attr(cu, DW_AT_comp_dir, &attr));
}

const char *lines__unit(struct lines *l, uint64_t addr, const char **dir)
{
	struct unit *u = find_unit(l, addr);

	if (!u)
		return NULL;
	if (dir)
		*dir = dir_of(&u->die);
	return dwarf_diename(&u->die);
}

int lines__for_each_unit(struct lines *l, int (*visit)(void *ctx, const char *dir, const char *name), void *ctx)
{
	size_t i;
	int err;

	for (i = 0; i < l->nr_units; i++) {
		err = visit(ctx, dir_of(&l->units[i].die), dwarf_diename(&l->units[i].die));
		if (err)
			return err;
	}
	return 0;
}
