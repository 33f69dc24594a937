/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kallsyms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

static bool has_any(const char *line, const struct kallsyms_want *want, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (strstr(line, want[i].name))
			return true;
	return false;
}

int kallsyms__find(struct kallsyms_want *want, size_t nr)
{
	char line[512], name[384], module[96];
	unsigned long long addr;
	size_t i;
	FILE *f;
	int n;

	for (i = 0; i < nr; i++) {
		want[i].addr = 0;
		want[i].is_hidden = false;
	}
	f = fopen("/proc/kallsyms", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (!has_any(line, want, nr)) /* taking all lines apart takes longer than to read them */
			continue;
		n = sscanf(line, "%llx %*c %383s [%95[^]]]", &addr, name, module);
		if (n < 2)
			continue;
		for (i = 0; i < nr; i++) {
			if (strcmp(name, want[i].name) ||
			    (n == 3 ? !want[i].module || strcmp(module, want[i].module) : !!want[i].module))
				continue;
			want[i].addr = addr;
			want[i].is_hidden = !addr;
		}
	}
	fclose(f);
	return 0;
}

/* --- all of them --- */

struct kallsyms_sym {
	uint64_t addr;
	uint32_t name;
};

static int add(struct kallsyms_table *t, uint64_t addr, const char *name)
{
	size_t len = strlen(name) + 1;

	if (t->names_len + len > UINT32_MAX || grow__to((void **)&t->names, &t->names_cap, t->names_len + len, 1) ||
	    grow__to((void **)&t->syms, &t->cap, t->nr + 1, sizeof(*t->syms)))
		return -ENOMEM;
	memcpy(t->names + t->names_len, name, len);
	t->syms[t->nr++] = (struct kallsyms_sym){ addr, t->names_len };
	t->names_len += len;
	return 0;
}

/* Several names of one address: the first of the alphabet, so that it is the same in every run. */
static int compare(const void *pa, const void *pb, void *names)
{
	const struct kallsyms_sym *a = pa, *b = pb;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	return strcmp((const char *)names + a->name, (const char *)names + b->name);
}

int kallsyms__parse(struct kallsyms_table *t, FILE *f)
{
	char line[512], name[384], type;
	unsigned long long addr;
	int err = 0;

	while (!err && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %c %383s", &addr, &type, name) == 3 && addr && strchr("tTwW", type))
			err = add(t, addr, name);
	if (err)
		kallsyms__release(t);
	else if (t->nr)
		qsort_r(t->syms, t->nr, sizeof(*t->syms), compare, t->names);
	return err;
}

int kallsyms__read(struct kallsyms_table *t)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	int err;

	if (!f)
		return -errno;
	err = kallsyms__parse(t, f);
	fclose(f);
	return err;
}

const char *kallsyms__lookup(const struct kallsyms_table *t, uint64_t addr)
{
	size_t lo = 0, hi = t->nr, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (t->syms[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	for (addr = t->syms[--lo].addr; lo && t->syms[lo - 1].addr == addr; lo--)
		;
	return t->names + t->syms[lo].name;
}

void kallsyms__release(struct kallsyms_table *t)
{
	free(t->syms);
	free(t->names);
	memset(t, 0, sizeof(*t));
}
