/* ws2_32.dll: sockets where there is no network: the library starts, and what needs the network says that it is down. */
#include "nt.h"

#define WSAEFAULT 10014
#define WSAEINVAL 10022
#define WSAENETDOWN 10050
#define WSANOTINITIALISED 10093
#define WSAHOST_NOT_FOUND 11001
#define WSAVERNOTSUPPORTED 10092

typedef struct {
    USHORT wVersion, wHighVersion;
#ifdef __x86_64__
    USHORT iMaxSockets, iMaxUdpDg;
    char *lpVendorInfo;
    char szDescription[257], szSystemStatus[129];
#else
    char szDescription[257], szSystemStatus[129];
    USHORT iMaxSockets, iMaxUdpDg;
    char *lpVendorInfo;
#endif
} WSADATA;

static LONG Ws2pStarted;

/* The last error of sockets is the thread's. */
static LONG Ws2pFail(void) {
    RtlSetLastWin32Error(Ws2pStarted > 0 ? WSAENETDOWN : WSANOTINITIALISED);
    return -1;
}

/* `WSAStartup`: version 2.2, or a lower one that is asked for. */
int NTAPI WSAStartup(USHORT version, WSADATA *data) {
    static const char about[] = "WinSock 2.0", status[] = "Running";
    if (!data) return WSAEFAULT;
    if (!(version & 0xff)) return WSAVERNOTSUPPORTED;
    *data = (WSADATA){.wHighVersion = 0x202};
    data->wVersion = (version & 0xff) > 2 || version == 0x302 || ((version & 0xff) == 2 && version >> 8 > 2) ? 0x202 : version;
    for (ULONG i = 0; i < sizeof about; i++) data->szDescription[i] = about[i];
    for (ULONG i = 0; i < sizeof status; i++) data->szSystemStatus[i] = status[i];
    __atomic_add_fetch(&Ws2pStarted, 1, __ATOMIC_SEQ_CST);
    return 0;
}

/* `WSACleanup`. */
int NTAPI WSACleanup(void) {
    if (Ws2pStarted <= 0) return Ws2pFail();
    __atomic_sub_fetch(&Ws2pStarted, 1, __ATOMIC_SEQ_CST);
    return 0;
}
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
FAILS_2(listen)
FAILS_2(shutdown)
FAILS_1(WSACloseEvent)
FAILS_3(WSADuplicateSocketA)
FAILS_3(WSADuplicateSocketW)
FAILS_3(WSAEnumNetworkEvents)
FAILS_3(WSAEnumProtocolsA)
FAILS_3(WSAEnumProtocolsW)
FAILS_3(WSAPoll)
FAILS_4(WSAAsyncSelect)
FAILS_5(WSAAccept)
FAILS_7(WSAConnect)
FAILS_7(getnameinfo)
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
    return Ws2pStarted > 0 ? WSAHOST_NOT_FOUND : WSANOTINITIALISED;
}
int NTAPI GetAddrInfoW(const WCHAR *node, const WCHAR *service, const void *hints, PVOID *result) {
    (void)node, (void)service, (void)hints;
    if (result) *result = NULL;
    return Ws2pStarted > 0 ? WSAHOST_NOT_FOUND : WSANOTINITIALISED;
}
void NTAPI freeaddrinfo(PVOID list) { (void)list; }
void NTAPI FreeAddrInfoW(PVOID list) { (void)list; }
/* Names: nobody is known but the machine itself. */
static PVOID Ws2pNobody(void) {
    RtlSetLastWin32Error(Ws2pStarted > 0 ? WSAHOST_NOT_FOUND : WSANOTINITIALISED);
    return NULL;
}
PVOID NTAPI gethostbyname(const char *name) {
    (void)name;
    return Ws2pNobody();
}
PVOID NTAPI gethostbyaddr(const char *address, int length, int type) {
    (void)address, (void)length, (void)type;
    return Ws2pNobody();
}
PVOID NTAPI getservbyname(const char *name, const char *protocol) {
    (void)name, (void)protocol;
    return Ws2pNobody();
}
PVOID NTAPI getservbyport(int port, const char *protocol) {
    (void)port, (void)protocol;
    return Ws2pNobody();
}
PVOID NTAPI getprotobyname(const char *name) {
    (void)name;
    return Ws2pNobody();
}
PVOID NTAPI getprotobynumber(int number) {
    (void)number;
    return Ws2pNobody();
}

/* `gethostname`: the variable COMPUTERNAME. */
int NTAPI gethostname(char *to, int room) {
    static const char name[] = "COMPUTERNAME=";
    const WCHAR *at = NtCurrentPeb()->ProcessParameters->Environment;
    if (Ws2pStarted <= 0) return Ws2pFail();
    for (; at && *at; at++) {
        int i = 0;
        while (name[i] && at[i] == (UCHAR)name[i]) i++;
        for (int n = 0; !name[i] && to && n < room; n++) {
            to[n] = (char)at[i + n];
            if (!to[n]) return 0;
        }
        while (*at) at++;
    }
    RtlSetLastWin32Error(WSAEFAULT);
    return -1;
}

/* One number of an address; where it ends. */
static char *Ws2pNumber(char *to, ULONG n) {
    if (n >= 100) *to++ = (char)('0' + n / 100);
    if (n >= 10) *to++ = (char)('0' + n / 10 % 10);
    *to++ = (char)('0' + n % 10);
    return to;
}

/* `inet_ntoa`: the text is overwritten by the next call. */
char *NTAPI inet_ntoa(ULONG address) {
    static char text[16];
    char *at = text;
    for (int part = 0; part < 4; part++) {
        at = Ws2pNumber(at, address >> 8 * part & 0xff);
        *at++ = part < 3 ? '.' : 0;
    }
    return text;
}

/* `inet_ntop`, `inet_pton`: of version 4. */
const char *NTAPI inet_ntop(int family, const UCHAR *address, char *to, SIZE_T room) {
    char text[16], *at = text;
    if (family != 2 || !address || !to) {
        RtlSetLastWin32Error(WSAEINVAL);
        return NULL;
    }
    for (int part = 0; part < 4; part++) {
        at = Ws2pNumber(at, address[part]);
        *at++ = part < 3 ? '.' : 0;
    }
    if ((SIZE_T)(at - text) > room) {
        RtlSetLastWin32Error(WSAEINVAL);
        return NULL;
    }
    for (SIZE_T i = 0; i < (SIZE_T)(at - text); i++) to[i] = text[i];
    return to;
}
int NTAPI inet_pton(int family, const char *text, ULONG *to) {
    if (family != 2) {
        RtlSetLastWin32Error(WSAEINVAL);
        return -1;
    }
    ULONG address = inet_addr(text);
    if (address == 0xffffffff && text[0] != '2') return 0;
    *to = address;
    return 1;
}

/* `__WSAFDIsSet`: whether a set has a socket. */
typedef struct { ULONG fd_count; ULONG_PTR fd_array[64]; } FD_SET;
int NTAPI __WSAFDIsSet(ULONG_PTR socket, const FD_SET *set) {
    for (ULONG i = 0; i < set->fd_count; i++)
        if (set->fd_array[i] == socket) return 1;
    return 0;
}

/* Events are events. */
HANDLE NTAPI WSACreateEvent(void) {
    Ws2pFail();
    return NULL;
}
