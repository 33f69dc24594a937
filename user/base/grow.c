/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "grow.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAP 256

int grow__to(void **array, size_t *cap, size_t need, size_t size)
{
	size_t n = *cap ? *cap : FIRST_CAP;
	void *p;

	if (need <= *cap)
		return 0;
	while (n < need)
		n *= 2;
	p = reallocarray(*array, n, size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*cap = n;
	return 0;
}
