/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kallsyms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
