/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scopes.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

#define MAX_DEPTH   256	      /* of nested scopes */
#define MAX_ENTRIES 4000000u /* of one unit */
#define MAX_RANGES  4096u     /* of one entry */
#define MAX_ORIGINS 16u	      /* that an entry's name comes through */

void scopes__drop(struct scopes *s)
{
	size_t i;

	for (i = 0; s->bodies && i < s->nr_bodies; i++)
		free(s->bodies[i].list.all);
	free(s->bodies);
	free(s->functions.all);
	memset(&s->functions, 0, sizeof(s->functions));
	s->bodies = NULL;
	s->nr_bodies = 0;
}

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

static int add_scope(struct scope_scratch *to, const struct scope *scope, Dwarf_Addr start, Dwarf_Addr end)
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
static int add_scopes(struct scope_scratch *to, Dwarf_Die *die, struct scope *scope)
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
static int read_scopes(struct scopes *s, Dwarf_Die *top, uint32_t depth, const struct depth_of_look *into, struct scope_scratch *to)
{
	const uint32_t first = depth;
	Dwarf_Die stack[MAX_DEPTH], child;
	struct scope scope;
	int tag, err;

	to->nr = to->nr_functions = 0;
	if (depth >= MAX_DEPTH || dwarf_child(top, &stack[depth]))
		return 0;
	while (s->nr_entries++ < MAX_ENTRIES) {
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
static int keep_scopes(struct scope_list *out, const struct scope_scratch *from)
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
	*out = (struct scope_list){ all, nr };
	return 0;
}

/* Its functions; what is within them comes later, for most are never asked for. */
void scopes__read(struct scopes *s, Dwarf_Die *cu, struct scope_scratch *scratch)
{
	struct depth_of_look into = { 0 };

	s->cu = *cu;
	s->is_c = is_c(cu);
	into.types = !s->is_c;
	if (read_scopes(s, cu, 0, &into, scratch) || !scratch->nr)
		return;
	s->bodies = calloc(scratch->nr_functions, sizeof(*s->bodies));
	if (!s->bodies)
		return;
	s->nr_bodies = scratch->nr_functions;
	if (keep_scopes(&s->functions, scratch))
		scopes__drop(s);
}

/* A function can be where none is expected: within another one, or in a type. */
static void read_whole(struct scopes *s, struct scope_scratch *scratch)
{
	const struct depth_of_look into = { .types = true, .functions = true };

	scopes__drop(s);
	s->is_whole = true;
	s->nr_entries = 0;
	if (!read_scopes(s, &s->cu, 0, &into, scratch))
		keep_scopes(&s->functions, scratch);
}

static const struct scope_list *get_body(struct scopes *s, const struct scope *function, struct scope_scratch *scratch)
{
	const struct depth_of_look into = { .types = !s->is_c, .functions = true };
	struct scope_body *b = &s->bodies[function->body];
	Dwarf_Die die;

	if (!b->is_read) {
		b->is_read = true;
		if (dwarf_offdie(dwarf_cu_getdwarf(s->cu.cu), function->die, &die) &&
		    !read_scopes(s, &die, function->depth + 1, &into, scratch))
			keep_scopes(&b->list, scratch);
	}
	return &b->list;
}

/* Those that hold an address, added to the @nr of @out, the innermost first. Return: their number now. */
static size_t find_scopes(const struct scope_list *in, uint64_t addr, struct scope **out, size_t nr)
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
		if (nr == SCOPES_MAX_FOUND)
			break;
		for (k = nr++; k && out[k - 1]->depth < all[i].depth; k--)
			out[k] = out[k - 1];
		out[k] = &all[i];
		if (!all[i].is_inline && !all[i].depth)
			break;
	}
	return nr;
}

size_t scopes__find(struct scopes *s, uint64_t addr, struct scope_scratch *scratch, struct scope **out)
{
	struct scope *functions[SCOPES_MAX_FOUND];
	size_t nr, nr_functions, i;

	nr = find_scopes(&s->functions, addr, out, 0);
	if (!nr && !s->is_whole) {
		read_whole(s, scratch);
		nr = find_scopes(&s->functions, addr, out, 0);
	}
	if (s->is_whole)
		return nr;
	nr_functions = nr;
	memcpy(functions, out, nr * sizeof(*out));
	for (i = 0; i < nr_functions; i++)
		nr = find_scopes(get_body(s, functions[i], scratch), addr, out, nr);
	return nr;
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

const char *scopes__name(const struct scopes *s, struct scope *scope)
{
	Dwarf_Die die;

	if (scope->has_name)
		return scope->name;
	scope->has_name = true;
	if (dwarf_offdie(dwarf_cu_getdwarf(s->cu.cu), scope->die, &die))
		scope->name = name_of(&die);
	return scope->name;
}
