namespace Posthouse.Server.Configuration;

/// <summary>What a configuration asked of its machine.</summary>
internal enum RecordedQuestion : byte
{
    ServerName,
    File,
    Table,
    FileExists,
    Interface,
    Host,
    Service,
    Program,
    User,
}
