/* wsock32.dll: all that it has is in ws2_32.dll, to which its exports go. */
