/* The "C" locale: the only one. */
#include "crt.h"

typedef struct {
    char *decimal_point, *thousands_sep, *grouping, *int_curr_symbol, *currency_symbol, *mon_decimal_point,
        *mon_thousands_sep, *mon_grouping, *positive_sign, *negative_sign;
    char numbers[8];
    wchar_t *wide[8];
} Lconv;

static char none[] = "";
static Lconv lconv = {".", none, none, none, none, none, none, none, none, none,
                      {127, 127, 127, 127, 127, 127, 127, 127},
                      {L".", L"", L"", L"", L"", L"", L"", L""}};
int __mb_cur_max = 1;

Lconv *localeconv(void) { return &lconv; }

/* The user's locale, "", is "C" as well. */
char *setlocale(int category, const char *name) {
    static char c[] = "C";
    if (category < 0 || category > 5 || (name && *name && strcmp(name, c))) return NULL;
    return c;
}

int ___mb_cur_max_func(void) { return __mb_cur_max; }
unsigned ___lc_codepage_func(void) { return 0; }
int *__p___mb_cur_max(void) { return &__mb_cur_max; }
