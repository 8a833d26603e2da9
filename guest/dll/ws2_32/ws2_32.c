/* ws2_32.dll: there is no network. WSAStartup says so, and everything that needs it fails as where nobody has called it. */
#include "nt.h"

#define WSASYSNOTREADY 10091
#define WSANOTINITIALISED 10093

/* The last error of sockets is the thread's. */
static LONG Ws2pFail(void) {
    RtlSetLastWin32Error(WSANOTINITIALISED);
    return -1;
}

/* `WSAStartup`: the network subsystem is not ready. */
int NTAPI WSAStartup(USHORT version, PVOID data) {
    (void)version, (void)data;
    return WSASYSNOTREADY;
}
int NTAPI WSACleanup(void) { return Ws2pFail(); }
int NTAPI WSAGetLastError(void) { return (int)RtlGetLastWin32Error(); }
void NTAPI WSASetLastError(int error) { RtlSetLastWin32Error((ULONG)error); }

/* The order of bytes. */
USHORT NTAPI htons(USHORT n) { return (USHORT)(n << 8 | n >> 8); }
USHORT NTAPI ntohs(USHORT n) { return (USHORT)(n << 8 | n >> 8); }
ULONG NTAPI htonl(ULONG n) { return n << 24 | (n & 0xff00) << 8 | (n >> 8 & 0xff00) | n >> 24; }
ULONG NTAPI ntohl(ULONG n) { return n << 24 | (n & 0xff00) << 8 | (n >> 8 & 0xff00) | n >> 24; }

/* `inet_addr`: four numbers with dots; INADDR_NONE where it is none. */
ULONG NTAPI inet_addr(const char *text) {
    ULONG address = 0;
    for (int part = 0; part < 4; part++) {
        ULONG n = 0;
        if (*text < '0' || *text > '9') return 0xffffffff;
        while (*text >= '0' && *text <= '9' && n < 256) n = n * 10 + (ULONG)(*text++ - '0');
        if (n > 255 || *text != (part < 3 ? '.' : 0)) return 0xffffffff;
        address |= n << 8 * part;
        if (part < 3) text++;
    }
    return address;
}

/* Those that fail, by how many arguments they take. */
#define FAILS_0(name) LONG NTAPI name(void) { return Ws2pFail(); }
#define FAILS_1(name) LONG NTAPI name(ULONG_PTR a) { (void)a; return Ws2pFail(); }
#define FAILS_2(name) LONG NTAPI name(ULONG_PTR a, ULONG_PTR b) { (void)a, (void)b; return Ws2pFail(); }
#define FAILS_3(name) LONG NTAPI name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c) { (void)a, (void)b, (void)c; return Ws2pFail(); }
#define FAILS_4(name) \
    LONG NTAPI name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d) { \
        (void)a, (void)b, (void)c, (void)d; \
        return Ws2pFail(); \
    }
#define FAILS_5(name) \
    LONG NTAPI name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e) { \
        (void)a, (void)b, (void)c, (void)d, (void)e; \
        return Ws2pFail(); \
    }
#define FAILS_6(name) \
    LONG NTAPI name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e, ULONG_PTR f) { \
        (void)a, (void)b, (void)c, (void)d, (void)e, (void)f; \
        return Ws2pFail(); \
    }
#define FAILS_7(name) \
    LONG NTAPI name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e, ULONG_PTR f, ULONG_PTR g) { \
        (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g; \
        return Ws2pFail(); \
    }
#define FAILS_9(name) \
    LONG NTAPI name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e, ULONG_PTR f, ULONG_PTR g, ULONG_PTR h, \
                    ULONG_PTR i) { \
        (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h, (void)i; \
        return Ws2pFail(); \
    }
FAILS_1(closesocket)
FAILS_2(gethostname)
FAILS_2(listen)
FAILS_2(shutdown)
FAILS_3(WSADuplicateSocketW)
FAILS_3(WSAEventSelect)
FAILS_3(accept)
FAILS_3(bind)
FAILS_3(connect)
FAILS_3(getpeername)
FAILS_3(getsockname)
FAILS_3(ioctlsocket)
FAILS_4(recv)
FAILS_4(send)
FAILS_5(WSAGetOverlappedResult)
FAILS_5(getsockopt)
FAILS_5(select)
FAILS_5(setsockopt)
FAILS_6(recvfrom)
FAILS_6(sendto)
FAILS_7(WSARecv)
FAILS_7(WSASend)
FAILS_9(WSAIoctl)
FAILS_9(WSARecvFrom)
FAILS_9(WSASendTo)

/* Those whose answer is a socket. */
ULONG_PTR NTAPI socket(int family, int type, int protocol) {
    (void)family, (void)type, (void)protocol;
    return (ULONG_PTR)(LONGLONG)Ws2pFail();
}
ULONG_PTR NTAPI WSASocketW(int family, int type, int protocol, PVOID information, ULONG group, ULONG flags) {
    (void)family, (void)type, (void)protocol, (void)information, (void)group, (void)flags;
    return (ULONG_PTR)(LONGLONG)Ws2pFail();
}
ULONG_PTR NTAPI WSASocketA(int family, int type, int protocol, PVOID information, ULONG group, ULONG flags) {
    return WSASocketW(family, type, protocol, information, group, flags);
}

/* Those whose answer is an error or a pointer. */
int NTAPI getaddrinfo(const char *node, const char *service, const void *hints, PVOID *result) {
    (void)node, (void)service, (void)hints;
    if (result) *result = NULL;
    return WSANOTINITIALISED;
}
int NTAPI GetAddrInfoW(const WCHAR *node, const WCHAR *service, const void *hints, PVOID *result) {
    (void)node, (void)service, (void)hints;
    if (result) *result = NULL;
    return WSANOTINITIALISED;
}
void NTAPI freeaddrinfo(PVOID list) { (void)list; }
void NTAPI FreeAddrInfoW(PVOID list) { (void)list; }
PVOID NTAPI gethostbyname(const char *name) {
    (void)name;
    Ws2pFail();
    return NULL;
}
