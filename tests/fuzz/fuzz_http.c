/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_http - the header of a request: any piece of what is accepted is asked to go on, and nothing is left over. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct http_limits limits = { .max_header_len = 8192, .max_target_len = 2048 };
	struct http_refused refused = { 0 };
	struct http_head head;
	size_t piece, i;
	int ret;

	ret = http_parse__head((const char *)data, len, &limits, &head, &refused);
	FUZZ_DEMAND(ret == 0 || ret == 1 || ret == -EBADMSG);
	if (ret == -EBADMSG)
		FUZZ_DEMAND(refused.status >= 400 && refused.status < 600 && refused.text);
	if (ret != 1)
		return 0;
	FUZZ_DEMAND(head.path && head.path[0] == '/' && head.nr_fields <= HTTP_MAX_FIELDS && head.nr_params <= HTTP_MAX_PARAMS);
	for (i = 0; i < head.nr_fields; i++)
		FUZZ_DEMAND(!strpbrk(head.fields[i].value, "\r\n"));
	http_parse__accepts_gzip(http_head__field(&head, "accept-encoding"));
	if (head.host)
		http_parse__is_local_name(head.host, NULL, 0);
	http_head__free(&head);
	/* What comes in pieces is neither refused nor accepted before its end. */
	for (piece = 0; piece < len && !memmem(data, piece, "\r\n\r\n", 4); piece += 1 + len / 16) {
		ret = http_parse__head((const char *)data, piece, &limits, &head, &refused);
		FUZZ_DEMAND(ret == 0);
	}
	return 0;
}
