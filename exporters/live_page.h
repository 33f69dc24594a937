#ifndef EXPORTERS_LIVE_PAGE_H
#define EXPORTERS_LIVE_PAGE_H
#include <stddef.h>
const void *live_page(size_t *len);
const char *live_page__csp(void);
#endif
