/* Mutexes, which NT calls mutants, and semaphores. */
#include "kernel32.h"

#define MUTEX_ALL_ACCESS 0x1f0001
#define SEMAPHORE_ALL_ACCESS 0x1f0003
#define CREATE_MUTEX_INITIAL_OWNER 1

/* `CreateMutexExW`. */
HANDLE NTAPI CreateMutexExW(const SECURITY_ATTRIBUTES *security, const WCHAR *name, ULONG flags, ACCESS_MASK access) {
    BASEP_OBJECT object;
    OBJECT_ATTRIBUTES *attributes;
    HANDLE mutex = NULL;
    if (flags & ~CREATE_MUTEX_INITIAL_OWNER) return BasepNone(ERROR_INVALID_PARAMETER);
    if (!BasepCreateAttributes(&object, security, name, &attributes)) return NULL;
    return BasepCreated(NtCreateMutant(&mutex, access, attributes, (BOOLEAN)flags), &mutex);
}

/* `CreateMutexW`. */
HANDLE NTAPI CreateMutexW(const SECURITY_ATTRIBUTES *security, BOOL owned, const WCHAR *name) {
    return CreateMutexExW(security, name, owned ? CREATE_MUTEX_INITIAL_OWNER : 0, MUTEX_ALL_ACCESS);
}

/* `OpenMutexW`. */
BASEP_OPEN(OpenMutexW, NtOpenMutant)

/* `CreateMutexExA`. */
HANDLE NTAPI CreateMutexExA(const SECURITY_ATTRIBUTES *security, const char *name, ULONG flags, ACCESS_MASK access) {
    BASEP_WIDE(name);
    return CreateMutexExW(security, wide, flags, access);
}

/* `CreateMutexA`. */
HANDLE NTAPI CreateMutexA(const SECURITY_ATTRIBUTES *security, BOOL owned, const char *name) {
    BASEP_WIDE(name);
    return CreateMutexW(security, owned, wide);
}

/* `OpenMutexA`. */
BASEP_OPEN_A(OpenMutexA, OpenMutexW)

/* `ReleaseMutex`: ERROR_NOT_OWNER for a thread that does not own it. */
BOOL NTAPI ReleaseMutex(HANDLE mutex) { return BasepStatus(NtReleaseMutant(mutex, NULL)); }

/* `CreateSemaphoreExW`: no flag is defined. */
HANDLE NTAPI CreateSemaphoreExW(const SECURITY_ATTRIBUTES *security, LONG count, LONG most, const WCHAR *name, ULONG flags,
                                ACCESS_MASK access) {
    BASEP_OBJECT object;
    OBJECT_ATTRIBUTES *attributes;
    HANDLE semaphore = NULL;
    if (flags) return BasepNone(ERROR_INVALID_PARAMETER);
    if (!BasepCreateAttributes(&object, security, name, &attributes)) return NULL;
    return BasepCreated(NtCreateSemaphore(&semaphore, access, attributes, count, most), &semaphore);
}

/* `CreateSemaphoreW`. */
HANDLE NTAPI CreateSemaphoreW(const SECURITY_ATTRIBUTES *security, LONG count, LONG most, const WCHAR *name) {
    return CreateSemaphoreExW(security, count, most, name, 0, SEMAPHORE_ALL_ACCESS);
}

/* `OpenSemaphoreW`. */
BASEP_OPEN(OpenSemaphoreW, NtOpenSemaphore)

/* `CreateSemaphoreExA`. */
HANDLE NTAPI CreateSemaphoreExA(const SECURITY_ATTRIBUTES *security, LONG count, LONG most, const char *name, ULONG flags,
                                ACCESS_MASK access) {
    BASEP_WIDE(name);
    return CreateSemaphoreExW(security, count, most, wide, flags, access);
}

/* `CreateSemaphoreA`. */
HANDLE NTAPI CreateSemaphoreA(const SECURITY_ATTRIBUTES *security, LONG count, LONG most, const char *name) {
    BASEP_WIDE(name);
    return CreateSemaphoreW(security, count, most, wide);
}

/* `OpenSemaphoreA`. */
BASEP_OPEN_A(OpenSemaphoreA, OpenSemaphoreW)

/* `ReleaseSemaphore`: ERROR_TOO_MANY_POSTS beyond its limit. */
BOOL NTAPI ReleaseSemaphore(HANDLE semaphore, LONG count, LONG *before) {
    return BasepStatus(NtReleaseSemaphore(semaphore, count, before));
}
