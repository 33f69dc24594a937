/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_VM_CENSUS_H
#define USER_VM_CENSUS_H

/*
 * vm_census - how many VMs came and went without being seen.
 *
 * The kernel's count of created VMs and the own count of seen ones are read at different times: while VMs come,
 * either may be ahead of the other. So a VM is given time, and a look at all that began after that time, before
 * it counts as missed; and what counts as missed is never taken back, for it is a counter to others. While VMs
 * come without a pause the number may lag behind; it is right LATE after the last one.
 *
 * Threads: one at a time.
 */

#include <stdint.h>

#define VM_CENSUS_LATE_NS 500000000ULL /* a VM's descriptor is there a little later than the kernel's event */

struct vm_census {
	uint64_t base_created, base_seen; /* when the census began */
	uint64_t then_created, then_ns;   /* what is to be judged next */
	uint64_t missed;
};

/** vm_census__begin() - @created and @seen until now do not count. */
void vm_census__begin(struct vm_census *c, uint64_t now_ns, uint64_t created, uint64_t seen);

/**
 * vm_census__judge() - whenever the counts were read.
 * @created:	the kernel's count, now
 * @seen:	own count, now
 * @scan_ns:	when the last look at all began that has ended
 */
void vm_census__judge(struct vm_census *c, uint64_t now_ns, uint64_t scan_ns, uint64_t created, uint64_t seen);

#endif /* USER_VM_CENSUS_H */
