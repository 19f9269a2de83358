// windef.h: the Windows names for types, constants and calling conventions that code around the thread pool uses.
//
// Widths are those of Windows, not of the names: LONG and DWORD have 32 bits although `long` has 64 here. Code that
// prints a DWORD with %lu gets a warning; code that stores a pointer in a LONG was wrong already.
#ifndef DETENT_WIN_WINDEF_H
#define DETENT_WIN_WINDEF_H

#include <stddef.h>
#include <stdint.h>

// Another vendor's spelling: its macros contain casts that our users' warnings would be about.
#pragma GCC system_header

#if !defined(_WIN32_WINNT)
#define _WIN32_WINNT 0x0A00
#endif

#ifdef __cplusplus
#define DETENT_WIN_BEGIN extern "C" {
#define DETENT_WIN_END }
#else
#define DETENT_WIN_BEGIN
#define DETENT_WIN_END
#endif

// One calling convention, no import tables.
#define WINAPI
#define NTAPI
#define APIENTRY
#define CALLBACK
#define WINBASEAPI
#define FORCEINLINE static inline
#define CONST const
#define VOID void
#define IN
#define OUT
#define OPTIONAL

#define UNREFERENCED_PARAMETER(P) ((void)(P))

typedef int BOOL, *PBOOL, *LPBOOL;
typedef unsigned char BYTE, *PBYTE, *LPBYTE, BOOLEAN, *PBOOLEAN;
typedef char CHAR, *PCHAR, *LPSTR;
typedef const char* LPCSTR;
typedef wchar_t WCHAR, *LPWSTR;
typedef const wchar_t* LPCWSTR;
typedef uint16_t WORD, *PWORD, USHORT;
typedef int16_t SHORT;
typedef int INT;
typedef unsigned int UINT;
typedef int32_t LONG, *PLONG, *LPLONG;
typedef uint32_t DWORD, *PDWORD, *LPDWORD, ULONG, *PULONG;
typedef int64_t LONGLONG, LONG64, INT64;
typedef uint64_t ULONGLONG, DWORD64, ULONG64, UINT64, DWORDLONG;
typedef intptr_t LONG_PTR, INT_PTR;
typedef uintptr_t ULONG_PTR, DWORD_PTR, UINT_PTR;
typedef size_t SIZE_T, *PSIZE_T;
typedef void *PVOID, *LPVOID, *HANDLE, **PHANDLE;
typedef const void* LPCVOID;
typedef struct HINSTANCE__ *HINSTANCE, *HMODULE;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
#define MAXDWORD 0xffffffffu
#define MAXLONG 0x7fffffff
#define INFINITE 0xffffffffu
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

typedef struct _FILETIME {
  DWORD dwLowDateTime;
  DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

typedef union _LARGE_INTEGER {
  __extension__ struct {
    DWORD LowPart;
    LONG HighPart;
  };
  struct {
    DWORD LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
  __extension__ struct {
    DWORD LowPart;
    DWORD HighPart;
  };
  struct {
    DWORD LowPart;
    DWORD HighPart;
  } u;
  ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef struct _SECURITY_ATTRIBUTES {
  DWORD nLength;
  LPVOID lpSecurityDescriptor;
  BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

#define WAIT_OBJECT_0 0u
#define WAIT_ABANDONED 0x80u
#define WAIT_TIMEOUT 258u
#define WAIT_FAILED 0xffffffffu

#define ERROR_SUCCESS 0u
#define ERROR_INVALID_HANDLE 6u
#define ERROR_NOT_ENOUGH_MEMORY 8u
#define ERROR_NOT_SUPPORTED 50u
#define ERROR_INVALID_PARAMETER 87u
#define ERROR_MOD_NOT_FOUND 126u
#define ERROR_PROC_NOT_FOUND 127u
#define ERROR_TOO_MANY_TCBS 155u
#define ERROR_NOT_OWNER 288u
#define ERROR_TOO_MANY_POSTS 298u

#endif
