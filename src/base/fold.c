/* Case folding: see fold.h. */
#include "base/fold.h"

#include <stdint.h>

/* What lies between a run of capitals and their small letters; 1 for pairs
 * that stand side by side. */
static const struct {
	uint16_t first, last, distance, step;
} runs[] = {
    {0x00c0, 0x00d6, 32, 1}, /* Latin-1 */
    {0x00d8, 0x00de, 32, 1},
    {0x0100, 0x012e, 1, 2}, /* Latin Extended-A: pairs */
    {0x0132, 0x0136, 1, 2},
    {0x0139, 0x0147, 1, 2},
    {0x014a, 0x0176, 1, 2},
    {0x0179, 0x017d, 1, 2},
    {0x0391, 0x03a1, 32, 1}, /* Greek */
    {0x03a3, 0x03ab, 32, 1},
    {0x0400, 0x040f, 80, 1}, /* Cyrillic */
    {0x0410, 0x042f, 32, 1},
};

static unsigned fold_one(unsigned c)
{
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		if (c >= runs[i].first && c <= runs[i].last)
			return (c - runs[i].first) % runs[i].step == 0
				   ? c + runs[i].distance
				   : c;
	return c;
}

void fold_case(char *text, size_t len)
{
	unsigned char *p = (unsigned char *)text;
	unsigned c;

	for (size_t i = 0; i < len; i++) {
		if (p[i] >= 'A' && p[i] <= 'Z') {
			p[i] |= 0x20;
		} else if (p[i] >= 0xc3 && p[i] <= 0xd0 && i + 1 < len &&
			   (p[i + 1] & 0xc0) == 0x80) {
			c = fold_one((p[i] & 0x1fu) << 6 | (p[i + 1] & 0x3fu));
			p[i] = (unsigned char)(0xc0 | c >> 6);
			p[i + 1] = (unsigned char)(0x80 | (c & 0x3f));
			i++;
		}
	}
}
