// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct loop_info64 of linux/loop.h.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct loop_info64", "linux/loop.h")]
internal struct LoopInfo64
{
    [CName("lo_device")]
    public ulong Device;
    [CName("lo_inode")]
    public ulong Inode;
    [CName("lo_rdevice")]
    public ulong NodeDevice;
    [CName("lo_offset")]
    public ulong Offset;
    [CName("lo_sizelimit")]
    public ulong SizeLimit;
    [CName("lo_number")]
    public uint Number;
    [CName("lo_encrypt_type")]
    public uint EncryptType;
    [CName("lo_encrypt_key_size")]
    public uint EncryptKeySize;
    [CName("lo_flags")]
    public LoopFlags Flags;
    [CName("lo_file_name")]
    public Bytes64 FileName;
    [CName("lo_crypt_name")]
    public Bytes64 CryptName;
    [CName("lo_encrypt_key")]
    public Bytes32 EncryptKey;
    [CName("lo_init")]
    public Longs2 Init;
}
