/* Security descriptors and access control lists, as programs build them. */
#include "advapi32.h"

#define SE_DACL_PRESENT 0x0004
#define SE_DACL_DEFAULTED 0x0008
#define SE_SELF_RELATIVE 0x8000
#define ACL_REVISION 2
#define ACL_REVISION_DS 4
enum { ERROR_ALLOTTED_SPACE_EXCEEDED = 1344, ERROR_INVALID_SECURITY_DESCR = 1338, ERROR_REVISION_MISMATCH = 1306,
       ERROR_UNKNOWN_REVISION = 1305, ERROR_INVALID_ACL = 1336 };
enum { ACCESS_ALLOWED_ACE_TYPE, ACCESS_DENIED_ACE_TYPE };

typedef struct { UCHAR AclRevision, Sbz1; USHORT AclSize, AceCount, Sbz2; } ACL;
typedef struct { UCHAR AceType, AceFlags; USHORT AceSize; ACCESS_MASK Mask; SID Sid; } ACE;
typedef struct {
    UCHAR Revision, Sbz1;
    USHORT Control;
    SID *Owner, *Group;
    ACL *Sacl, *Dacl;
} SECURITY_DESCRIPTOR;

/* `InitializeSecurityDescriptor`: an absolute one with nothing in it. */
BOOL NTAPI InitializeSecurityDescriptor(SECURITY_DESCRIPTOR *descriptor, ULONG revision) {
    if (revision != 1) return AdvpFail(ERROR_UNKNOWN_REVISION);
    *descriptor = (SECURITY_DESCRIPTOR){1, 0, 0, NULL, NULL, NULL, NULL};
    return TRUE;
}

/* Whether a descriptor is one that can be changed: absolute. */
static BOOL AdvpAbsolute(const SECURITY_DESCRIPTOR *descriptor) {
    if (descriptor->Revision != 1) return AdvpFail(ERROR_UNKNOWN_REVISION);
    return descriptor->Control & SE_SELF_RELATIVE ? AdvpFail(ERROR_INVALID_SECURITY_DESCR) : TRUE;
}

/* Sets and clears bits of a descriptor's control. */
static void AdvpControl(SECURITY_DESCRIPTOR *descriptor, USHORT mask, BOOL set) {
    descriptor->Control = (USHORT)((descriptor->Control & ~mask) | (set ? mask : 0));
}

/* `SetSecurityDescriptorDacl`: present and NULL grants all access to everybody. */
BOOL NTAPI SetSecurityDescriptorDacl(SECURITY_DESCRIPTOR *descriptor, BOOL present, ACL *acl, BOOL defaulted) {
    if (!AdvpAbsolute(descriptor)) return FALSE;
    AdvpControl(descriptor, SE_DACL_PRESENT, present);
    if (!present) return TRUE;
    descriptor->Dacl = acl;
    AdvpControl(descriptor, SE_DACL_DEFAULTED, defaulted);
    return TRUE;
}

/* `SetSecurityDescriptorOwner`. */
BOOL NTAPI SetSecurityDescriptorOwner(SECURITY_DESCRIPTOR *descriptor, SID *owner, BOOL defaulted) {
    if (!AdvpAbsolute(descriptor)) return FALSE;
    descriptor->Owner = owner;
    AdvpControl(descriptor, 1, defaulted);
    return TRUE;
}

/* `SetSecurityDescriptorGroup`. */
BOOL NTAPI SetSecurityDescriptorGroup(SECURITY_DESCRIPTOR *descriptor, SID *group, BOOL defaulted) {
    if (!AdvpAbsolute(descriptor)) return FALSE;
    descriptor->Group = group;
    AdvpControl(descriptor, 2, defaulted);
    return TRUE;
}

/* `InitializeAcl`: an empty one that fills `size` bytes. */
BOOL NTAPI InitializeAcl(ACL *acl, ULONG size, ULONG revision) {
    if (size < sizeof *acl) return AdvpFail(ERROR_INSUFFICIENT_BUFFER);
    if (revision < ACL_REVISION || revision > ACL_REVISION_DS || size > 0xffff) return AdvpFail(ERROR_INVALID_PARAMETER);
    *acl = (ACL){(UCHAR)revision, 0, (USHORT)(size & ~3u), 0, 0};
    return TRUE;
}

/* Where the entry `index` is, or the first free byte if it is the number of entries. NULL for a malformed list. */
static ACE *AdvpEntry(ACL *acl, ULONG index) {
    char *at = (char *)(acl + 1), *end = (char *)acl + acl->AclSize;
    if (acl->AclSize < sizeof *acl) return NULL;
    while (index--) {
        if ((SIZE_T)(end - at) < sizeof(ULONG)) return NULL;
        ULONG size = ((ACE *)at)->AceSize;
        if (size < sizeof(ULONG) || size > (SIZE_T)(end - at)) return NULL;
        at += size;
    }
    return (ACE *)at;
}

/* Appends an entry. */
static BOOL AdvpAddAce(ACL *acl, ULONG revision, UCHAR type, ULONG flags, ACCESS_MASK mask, const SID *sid) {
    if (!IsValidSid(sid)) return AdvpFail(ERROR_INVALID_SID);
    if (revision > ACL_REVISION_DS || acl->AclRevision > ACL_REVISION_DS) return AdvpFail(ERROR_REVISION_MISMATCH);
    ACE *ace = AdvpEntry(acl, acl->AceCount);
    if (!ace) return AdvpFail(ERROR_INVALID_ACL);
    ULONG size = __builtin_offsetof(ACE, Sid) + GetLengthSid(sid);
    if ((char *)acl + acl->AclSize - (char *)ace < (LONG)size) return AdvpFail(ERROR_ALLOTTED_SPACE_EXCEEDED);
    ace->AceType = type;
    ace->AceFlags = (UCHAR)flags;
    ace->AceSize = (USHORT)size;
    ace->Mask = mask;
    memmove(&ace->Sid, sid, GetLengthSid(sid));
    acl->AceCount++;
    if (revision > acl->AclRevision) acl->AclRevision = (UCHAR)revision;
    return TRUE;
}

/* `AddAccessAllowedAce`. */
BOOL NTAPI AddAccessAllowedAce(ACL *acl, ULONG revision, ACCESS_MASK mask, const SID *sid) {
    return AdvpAddAce(acl, revision, ACCESS_ALLOWED_ACE_TYPE, 0, mask, sid);
}

/* `AddAccessDeniedAce`. */
BOOL NTAPI AddAccessDeniedAce(ACL *acl, ULONG revision, ACCESS_MASK mask, const SID *sid) {
    return AdvpAddAce(acl, revision, ACCESS_DENIED_ACE_TYPE, 0, mask, sid);
}

/* `GetAce`: where the entry is. */
BOOL NTAPI GetAce(ACL *acl, ULONG index, PVOID *ace) {
    if (index >= acl->AceCount) return AdvpFail(ERROR_INVALID_PARAMETER);
    *ace = AdvpEntry(acl, index);
    return *ace ? TRUE : AdvpFail(ERROR_INVALID_ACL);
}
