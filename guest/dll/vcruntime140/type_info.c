/* `std::type_info` and `std::exception`, as far as their members are not in the program itself. */
#include "cxx.h"

typedef struct SLIST_ENTRY { struct SLIST_ENTRY *Next; } __attribute__((aligned(WIDTH(16, 4)))) SLIST_ENTRY;
__declspec(dllimport) SLIST_ENTRY *NTAPI InterlockedPushEntrySList(PVOID head, SLIST_ENTRY *);
__declspec(dllimport) SLIST_ENTRY *NTAPI InterlockedFlushSList(PVOID head);

/* The part of a `type_info` behind its table of virtual functions. */
typedef struct {
    char *Undecorated;
    char Decorated[];
} TYPE_DATA;
typedef struct { char *What; BOOLEAN Free; } EXCEPTION_DATA;

int __std_type_info_compare(const TYPE_DATA *a, const TYPE_DATA *b) {
    return a == b ? 0 : strcmp(a->Decorated + 1, b->Decorated + 1);
}

/* FNV-1a of the name without its point. */
size_t __std_type_info_hash(const TYPE_DATA *type) {
    size_t hash = WIDTH((size_t)0xcbf29ce484222325, 0x811c9dc5);
    for (const char *at = type->Decorated + 1; *at; at++) hash = (hash ^ (UCHAR)*at) * WIDTH((size_t)0x100000001b3, 0x1000193);
    return WIDTH(hash ^ hash >> 32, hash);
}

size_t CxxTypeName(const char *decorated, char *to, size_t room);

/* The name as one writes it, made once; the list is the module's. */
const char *__std_type_info_name(TYPE_DATA *type, PVOID list) {
    char text[1024], *none = NULL;
    if (type->Undecorated) return type->Undecorated;
    size_t size = CxxTypeName(type->Decorated + 1, text, sizeof text) + 1;
    SLIST_ENTRY *block = malloc(sizeof *block + size);
    if (!block) return NULL;
    memcpy(block + 1, text, size);
    if (__atomic_compare_exchange_n(&type->Undecorated, &none, (char *)(block + 1), FALSE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        InterlockedPushEntrySList(list, block);
    else free(block);
    return type->Undecorated;
}

void __std_type_info_destroy_list(PVOID list) {
    for (SLIST_ENTRY *at = InterlockedFlushSList(list), *next; at; at = next) {
        next = at->Next;
        free(at);
    }
}

/* A text that an exception does not own is not copied. */
void __std_exception_copy(const EXCEPTION_DATA *from, EXCEPTION_DATA *to) {
    *to = (EXCEPTION_DATA){from->What, FALSE};
    if (!from->Free || !from->What) return;
    size_t size = strlen(from->What) + 1;
    to->What = malloc(size);
    if (!to->What) return;
    memcpy(to->What, from->What, size);
    to->Free = TRUE;
}

void __std_exception_destroy(EXCEPTION_DATA *data) {
    if (data->Free) free(data->What);
    *data = (EXCEPTION_DATA){NULL, FALSE};
}
