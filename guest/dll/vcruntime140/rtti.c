/* `dynamic_cast` and `typeid`, by the locator that stands before an object's table of virtual functions. */
#include "cxx.h"

/* `_RTTICompleteObjectLocator`, `_RTTIClassHierarchyDescriptor`, `_RTTIBaseClassDescriptor` */
typedef struct {
    ULONG Signature, Offset, ConstructorOffset;
    REFERENCE Type, Hierarchy, Self;
} COMPLETE_OBJECT_LOCATOR;
typedef struct {
    ULONG Signature, Attributes, Bases;
    REFERENCE BaseArray;
} CLASS_HIERARCHY;
#define BCD_PRIVATE_OR_PROTECTED 4
typedef struct {
    REFERENCE Type;
    ULONG Contained;
    PMD Where;
    ULONG Attributes;
    REFERENCE Hierarchy;
} BASE_CLASS;

/* An object as a whole, with all its bases in the order in which one meets them, each before those that it has. */
typedef struct {
    char *object;
    ULONG_PTR base;
    ULONG count;
    const REFERENCE *bases;
    const TYPE_DESCRIPTOR *type;
} CXX_WHOLE;

void CxxThrowBadCast(const char *) __attribute__((noreturn));
void CxxThrowBadTypeid(const char *) __attribute__((noreturn));

static CXX_WHOLE CxxWhole(char *with_table) {
    const COMPLETE_OBJECT_LOCATOR *locator = (*(const COMPLETE_OBJECT_LOCATOR ***)with_table)[-1];
    CXX_WHOLE whole = {.object = with_table - locator->Offset};
#ifdef __x86_64__
    PVOID base = (PVOID)((ULONG_PTR)locator - (ULONG)locator->Self);
    if (!locator->Signature) RtlPcToFileHeader((PVOID)locator, &base);
    whole.base = (ULONG_PTR)base;
#endif
    /* While it is made, a virtual base may lie elsewhere than in the end. */
    if (locator->ConstructorOffset) whole.object -= *(const LONG *)(with_table - locator->ConstructorOffset);
    const CLASS_HIERARCHY *hierarchy = CxxAt(whole.base, locator->Hierarchy);
    whole.type = CxxAt(whole.base, locator->Type);
    whole.count = hierarchy->Bases;
    whole.bases = CxxAt(whole.base, hierarchy->BaseArray);
    return whole;
}

static const BASE_CLASS *CxxBase(const CXX_WHOLE *whole, ULONG i) { return CxxAt(whole->base, whole->bases[i]); }

static BOOLEAN CxxIs(const CXX_WHOLE *whole, ULONG i, const TYPE_DESCRIPTOR *type) {
    const TYPE_DESCRIPTOR *own = CxxAt(whole->base, CxxBase(whole, i)->Type);
    return own == type || !strcmp(own->Decorated, type->Decorated);
}

/* Whether base `i` is, or has, base `of`, and everybody may know. */
static BOOLEAN CxxIsPublic(const CXX_WHOLE *whole, ULONG i, ULONG of) {
    if (of < i || of > i + CxxBase(whole, i)->Contained) return FALSE;
    for (ULONG k = i + 1; k <= of; k++) {
        const BASE_CLASS *between = CxxBase(whole, k);
        if (of <= k + between->Contained && between->Attributes & BCD_PRIVATE_OR_PROTECTED) return FALSE;
    }
    return TRUE;
}

static char *CxxPlace(const CXX_WHOLE *whole, ULONG i) { return CxxAdjust(whole->object, &CxxBase(whole, i)->Where); }

/* The object of a type that has the source in it, or, where there is none, that is a base of the whole as the source is; there
 * may be but one. */
static char *CxxCast(const CXX_WHOLE *whole, const char *from, const TYPE_DESCRIPTOR *source, const TYPE_DESCRIPTOR *target) {
    char *down = NULL, *across = NULL;
    BOOLEAN several_down = FALSE, several_across = FALSE, open = FALSE;
    for (ULONG i = 0; i < whole->count; i++) {
        if (CxxIs(whole, i, source) && CxxPlace(whole, i) == from && CxxIsPublic(whole, 0, i)) open = TRUE;
        if (!CxxIs(whole, i, target)) continue;
        char *place = CxxPlace(whole, i);
        if (CxxIsPublic(whole, 0, i)) several_across |= across && across != place, across = place;
        for (ULONG k = i; k < whole->count && k <= i + CxxBase(whole, i)->Contained; k++) {
            if (!CxxIs(whole, k, source) || CxxPlace(whole, k) != from || !CxxIsPublic(whole, i, k)) continue;
            several_down |= down && down != place, down = place;
        }
    }
    if (down && !several_down) return down;
    return open && !several_across && !down ? across : NULL;
}

PVOID __RTCastToVoid(char *object) { return object ? CxxWhole(object).object : NULL; }

const TYPE_DESCRIPTOR *__RTtypeid(char *object) {
    if (!object) CxxThrowBadTypeid("Attempted a typeid of nullptr pointer!");
    return CxxWhole(object).type;
}

/* The object is that with the table of virtual functions; the one to cast, which may have it in a base, lies `table` before. */
PVOID __RTDynamicCast(char *object, LONG table, const TYPE_DESCRIPTOR *source, const TYPE_DESCRIPTOR *target, BOOL reference) {
    if (!object) return NULL;
    CXX_WHOLE whole = CxxWhole(object);
    char *to = CxxCast(&whole, object - table, source, target);
    if (!to && reference) CxxThrowBadCast("Bad dynamic_cast!");
    return to;
}
