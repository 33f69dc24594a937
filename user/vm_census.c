/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm_census.h"

void vm_census__begin(struct vm_census *c, uint64_t now_ns, uint64_t created, uint64_t seen)
{
	*c = (struct vm_census){
		.base_created = created,
		.base_seen = seen,
		.then_created = created,
		.then_ns = now_ns,
	};
}

void vm_census__judge(struct vm_census *c, uint64_t now_ns, uint64_t scan_ns, uint64_t created, uint64_t seen)
{
	uint64_t came, known;

	if (scan_ns < c->then_ns + VM_CENSUS_LATE_NS)
		return;
	came = c->then_created - c->base_created;
	known = seen - c->base_seen + c->missed;
	if (came > known)
		c->missed += came - known;
	c->then_created = created;
	c->then_ns = now_ns;
}
