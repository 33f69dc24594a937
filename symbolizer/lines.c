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

#include "grow.h"

#define MAX_DEPTH   256	      /* of nested scopes */
#define MAX_ENTRIES 4000000u /* of one unit */
#define MAX_RANGES  4096u     /* of one entry */
#define MAX_ORIGINS 16u	      /* that an entry's name comes through */

/* Where a function, inlined or not, has its code. */
struct scope {
	uint64_t start;
	uint64_t end;
	uint64_t reach; /* highest end of this and all scopes before it */
	Dwarf_Off die;
	uint16_t depth; /* of nesting: the deepest is the innermost */
	bool is_inline;
	bool has_name; /* it was read: when it is asked for first, for most are asked for again */
	uint32_t call_line; /* where it was inlined; this and the next, 0: not known */
	uint32_t call_file;
	uint32_t body; /* of a function: in unit.bodies */
	const char *name;
};

struct scopes {
	struct scope *all; /* by start, then by depth */
	size_t nr;
};

/* What is within a function: read when one of its addresses is asked for. */
struct body {
	struct scopes scopes;
	bool is_read;
};

/* Scopes, until their number is known. */
struct scratch {
	struct scope *all;
	size_t nr, room;
	uint32_t nr_functions;
};

struct unit {
	Dwarf_Die die;
	bool is_read;
	bool is_whole;	/* what is within functions stands among them */
	bool is_c;	/* or C++: compilers put no code into types */
	struct scopes functions;
	struct body *bodies;
	uint32_t nr_bodies;
	unsigned int nr_entries; /* that were looked at */
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
	struct scratch scratch;
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
	for (n = 0; n < 16 * MAX_RANGES && (at = dwarf_ranges(cu, at, &base, &start, &end)) > 0; n++) {
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

static void drop_scopes(struct unit *u)
{
	size_t i;

	for (i = 0; u->bodies && i < u->nr_bodies; i++)
		free(u->bodies[i].scopes.all);
	free(u->bodies);
	free(u->functions.all);
	memset(&u->functions, 0, sizeof(u->functions));
	u->bodies = NULL;
	u->nr_bodies = 0;
}

void lines__free(struct lines *l)
{
	size_t i;

	if (!l)
		return;
	for (i = 0; i < l->nr_units; i++)
		drop_scopes(&l->units[i]);
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

/* What is told of an entry's code and of the call in its place: code 0 where it is not. */
struct code_attrs {
	Dwarf_Attribute low, high, call_file, call_line;
};

static int take_code_attr(Dwarf_Attribute *attr, void *ctx)
{
	struct code_attrs *a = ctx;

	switch (dwarf_whatattr(attr)) {
	case DW_AT_low_pc:
		a->low = *attr;
		break;
	case DW_AT_high_pc:
		a->high = *attr;
		break;
	case DW_AT_call_file:
		a->call_file = *attr;
		break;
	case DW_AT_call_line:
		a->call_line = *attr;
		break;
	}
	return DWARF_CB_OK;
}

static uint32_t number_of(Dwarf_Attribute *attr)
{
	Dwarf_Word value;

	return attr->code && !dwarf_formudata(attr, &value) && value <= UINT32_MAX ? value : 0;
}

/* Without another look for the attributes, which is what dwarf_ranges() begins with. */
static bool has_one_range(struct code_attrs *a, Dwarf_Addr *start, Dwarf_Addr *end)
{
	Dwarf_Word len;

	if (!a->low.code || !a->high.code || dwarf_formaddr(&a->low, start))
		return false;
	if (!dwarf_formaddr(&a->high, end))
		return true;
	if (dwarf_formudata(&a->high, &len))
		return false;
	*end = *start + len;
	return true;
}

static int add_scope(struct scratch *to, const struct scope *scope, Dwarf_Addr start, Dwarf_Addr end)
{
	struct scope *s;

	if (start >= end)
		return 0;
	if (grow__to((void **)&to->all, &to->room, to->nr + 1, sizeof(*to->all)))
		return -ENOMEM;
	s = &to->all[to->nr++];
	*s = *scope;
	s->start = start;
	s->end = end;
	return 0;
}

/* @scope: what is known of it already. */
static int add_scopes(struct scratch *to, Dwarf_Die *die, struct scope *scope)
{
	struct code_attrs attrs = { 0 };
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	unsigned int n;
	int err = 0;

	dwarf_getattrs(die, take_code_attr, &attrs, 0);
	scope->die = dwarf_dieoffset(die);
	if (scope->is_inline) {
		scope->call_line = number_of(&attrs.call_line);
		scope->call_file = number_of(&attrs.call_file);
	}
	if (has_one_range(&attrs, &start, &end))
		return add_scope(to, scope, start, end);
	for (n = 0; !err && n < MAX_RANGES && (at = dwarf_ranges(die, at, &base, &start, &end)) > 0; n++)
		err = add_scope(to, scope, start, end);
	return err;
}

static bool is_c(Dwarf_Die *cu)
{
	switch (dwarf_srclang(cu)) {
	case DW_LANG_C89:
	case DW_LANG_C:
	case DW_LANG_C99:
	case DW_LANG_C11:
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
		return true;
	default:
		return false;
	}
}

/* What is looked into, apart from where functions may be anyway. */
struct depth_of_look {
	bool types;
	bool functions;
};

static bool may_hold_code(int tag, const struct depth_of_look *into)
{
	switch (tag) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
		return into->functions;
	case DW_TAG_lexical_block:
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		return true;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type: /* Rust puts methods there */
		return into->types;
	default:
		return false;
	}
}

/* Most functions are only declared here, or described for those that are inlined. */
static bool has_code(Dwarf_Die *die)
{
	return dwarf_hasattr(die, DW_AT_low_pc) || dwarf_hasattr(die, DW_AT_ranges);
}

/*
 * The functions below @top, inlined or not. The tree of entries without recursion: it is as deep as the file says.
 * @depth: of those right below.
 */
static int read_scopes(struct unit *u, Dwarf_Die *top, uint32_t depth, const struct depth_of_look *into, struct scratch *to)
{
	const uint32_t first = depth;
	Dwarf_Die stack[MAX_DEPTH], child;
	struct scope scope;
	int tag, err;

	to->nr = to->nr_functions = 0;
	if (depth >= MAX_DEPTH || dwarf_child(top, &stack[depth]))
		return 0;
	while (u->nr_entries++ < MAX_ENTRIES) {
		tag = dwarf_tag(&stack[depth]);
		if ((tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine) && has_code(&stack[depth])) {
			scope = (struct scope){ .depth = depth, .is_inline = tag == DW_TAG_inlined_subroutine };
			if (!into->functions)
				scope.body = to->nr_functions++;
			err = add_scopes(to, &stack[depth], &scope);
			if (err)
				return err;
		}
		if (depth + 1 < MAX_DEPTH && may_hold_code(tag, into) && !dwarf_child(&stack[depth], &child)) {
			stack[++depth] = child;
			continue;
		}
		while (dwarf_siblingof(&stack[depth], &stack[depth])) {
			if (depth == first)
				return 0;
			depth--;
		}
	}
	return 0;
}

static int compare_scopes(const void *pa, const void *pb)
{
	const struct scope *a = pa, *b = pb;

	if (a->start != b->start)
		return a->start > b->start ? 1 : -1;
	return (a->depth > b->depth) - (a->depth < b->depth);
}

/* Sorted, in as much memory as they take. */
static int keep_scopes(struct scopes *out, const struct scratch *from)
{
	size_t nr = from->nr, i;
	struct scope *all;

	if (!nr)
		return 0;
	all = malloc(nr * sizeof(*all));
	if (!all)
		return -ENOMEM;
	memcpy(all, from->all, nr * sizeof(*all));
	/* Mostly they are sorted already. */
	for (i = 1; i < nr && compare_scopes(&all[i - 1], &all[i]) <= 0; i++)
		;
	if (i < nr)
		qsort(all, nr, sizeof(*all), compare_scopes);
	for (i = 0; i < nr; i++)
		all[i].reach = i && all[i - 1].reach > all[i].end ? all[i - 1].reach : all[i].end;
	*out = (struct scopes){ all, nr };
	return 0;
}

/* Its functions; what is within them comes later, for most are never asked for. */
static void read_functions(struct lines *l, struct unit *u)
{
	const struct depth_of_look into = { .types = !u->is_c };

	if (read_scopes(u, &u->die, 0, &into, &l->scratch) || !l->scratch.nr)
		return;
	u->bodies = calloc(l->scratch.nr_functions, sizeof(*u->bodies));
	if (!u->bodies)
		return;
	u->nr_bodies = l->scratch.nr_functions;
	if (keep_scopes(&u->functions, &l->scratch))
		drop_scopes(u);
}

/* A function can be where none is expected: within another one, or in a type. */
static void read_whole(struct lines *l, struct unit *u)
{
	const struct depth_of_look into = { .types = true, .functions = true };

	drop_scopes(u);
	u->is_whole = true;
	u->nr_entries = 0;
	if (!read_scopes(u, &u->die, 0, &into, &l->scratch))
		keep_scopes(&u->functions, &l->scratch);
}

static const struct scopes *get_body(struct lines *l, struct unit *u, const struct scope *function)
{
	const struct depth_of_look into = { .types = !u->is_c, .functions = true };
	struct body *b = &u->bodies[function->body];
	Dwarf_Die die;

	if (!b->is_read) {
		b->is_read = true;
		if (dwarf_offdie(l->dwarf, function->die, &die) &&
		    !read_scopes(u, &die, function->depth + 1, &into, &l->scratch))
			keep_scopes(&b->scopes, &l->scratch);
	}
	return &b->scopes;
}

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
	u->is_c = is_c(&u->die);
	read_functions(l, u);
	if (dwarf_getsrclines(&u->die, &u->lines, &u->nr_lines))
		u->lines = NULL;
	if (dwarf_getsrcfiles(&u->die, &u->files, &u->nr_files)) {
		u->files = NULL;
		u->nr_files = 0;
	}
}

/* Those that hold an address, added to the @nr of @out, the innermost first. Return: their number now. */
static size_t find_scopes(const struct scopes *in, uint64_t addr, struct scope **out, size_t nr)
{
	size_t lo = 0, hi = in->nr, mid, i, k;
	struct scope *all = in->all;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (all[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (i = lo; i-- > 0 && all[i].reach > addr;) {
		if (all[i].end <= addr)
			continue;
		if (nr == LINES_MAX_FRAMES)
			break;
		for (k = nr++; k && out[k - 1]->depth < all[i].depth; k--)
			out[k] = out[k - 1];
		out[k] = &all[i];
		if (!all[i].is_inline && !all[i].depth)
			break;
	}
	return nr;
}

static size_t find_functions(struct lines *l, struct unit *u, uint64_t addr, struct scope **out)
{
	struct scope *functions[LINES_MAX_FRAMES];
	size_t nr, nr_functions, i;

	nr = find_scopes(&u->functions, addr, out, 0);
	if (!nr && !u->is_whole) {
		read_whole(l, u);
		nr = find_scopes(&u->functions, addr, out, 0);
	}
	if (u->is_whole)
		return nr;
	nr_functions = nr;
	memcpy(functions, out, nr * sizeof(*out));
	for (i = 0; i < nr_functions; i++)
		nr = find_scopes(get_body(l, u, functions[i]), addr, out, nr);
	return nr;
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

/* What is told of a function's name, here or where the entry says that it comes from: NULL where it is not. */
struct name_attrs {
	const char *linkage, *mips_linkage, *name;
	Dwarf_Attribute origin, specification; /* of this entry */
};

static int take_name_attr(Dwarf_Attribute *attr, void *ctx)
{
	struct name_attrs *a = ctx;

	switch (dwarf_whatattr(attr)) {
	case DW_AT_linkage_name:
		a->linkage = a->linkage ? a->linkage : dwarf_formstring(attr);
		break;
	case DW_AT_MIPS_linkage_name:
		a->mips_linkage = a->mips_linkage ? a->mips_linkage : dwarf_formstring(attr);
		break;
	case DW_AT_name:
		a->name = a->name ? a->name : dwarf_formstring(attr);
		break;
	case DW_AT_abstract_origin:
		a->origin = *attr;
		break;
	case DW_AT_specification:
		a->specification = *attr;
		break;
	}
	return DWARF_CB_OK;
}

/* dwarf_attr_integrate() would go the same way once for each of the three. */
static const char *name_of(Dwarf_Die *die)
{
	struct name_attrs a = { 0 };
	Dwarf_Die at = *die;
	unsigned int n;

	for (n = 0; n < MAX_ORIGINS; n++) {
		a.origin.code = a.specification.code = 0;
		dwarf_getattrs(&at, take_name_attr, &a, 0);
		if (a.linkage || (!a.origin.code && !a.specification.code) ||
		    !dwarf_formref_die(a.origin.code ? &a.origin : &a.specification, &at))
			break;
	}
	if (a.linkage)
		return a.linkage;
	return a.mips_linkage ? a.mips_linkage : a.name;
}

static void read_name(struct lines *l, struct scope *s)
{
	Dwarf_Die die;

	s->has_name = true;
	if (dwarf_offdie(l->dwarf, s->die, &die))
		s->name = name_of(&die);
}

static const char *call_file_of(const struct unit *u, const struct scope *s)
{
	return s->call_file && s->call_file < u->nr_files ? dwarf_filesrc(u->files, s->call_file, NULL, NULL) : NULL;
}

size_t lines__lookup(struct lines *l, uint64_t addr, struct lines_frame *frames)
{
	struct scope *scopes[LINES_MAX_FRAMES];
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
	nr = find_functions(l, u, addr, scopes);
	/* Without a scope the line alone is worth telling. */
	memset(frames, 0, (nr ? nr : 1) * sizeof(*frames));
	if (line) {
		frames[0].file = dwarf_linesrc(line, NULL, NULL);
		if (!dwarf_lineno(line, &number) && number > 0)
			frames[0].line = number;
	}
	for (i = 0; i < nr; i++) {
		if (!scopes[i]->has_name)
			read_name(l, scopes[i]);
		frames[i].name = scopes[i]->name;
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
