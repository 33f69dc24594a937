/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exit_stats.h"

#include <stdlib.h>
#include <string.h>

#include "symbolizer.h"

bool exit_stats__has_exits(const struct exit_stats *s)
{
	return strcmp(s->level, "counters") && strcmp(s->level, "sampling");
}

void exit_stats__free(struct exit_stats *s)
{
	size_t i;

	if (!s)
		return;
	/* A half-built one may have a count and no array yet. */
	for (i = 0; s->vms && i < s->nr_vms; i++) {
		free((char *)s->vms[i].name);
		free((char *)s->vms[i].vmm);
		symbolizer__put(s->vms[i].syms);
	}
	free(s->vms);
	free(s->rows);
	free(s->sites);
	free(s->virqs);
	free(s->counters);
	free(s->costs);
	free(s->levels);
	for (i = 0; i < s->nr_kvm; i++)
		free((char *)s->kvm[i].name);
	free(s->kvm);
	free(s);
}
