/// What nodes tell and ask each other, in tables of the cluster's schema that nothing depends on: they
/// are not logged, so that a message costs no disk, and are empty after a crash of the server or on
/// a standby that takes over.
enum PeerSchema {
    /// … with its number: letters for a node.
    static let letterChannel = "sluice_letters_"

    /// So that nodes of an earlier version, which know nothing of them, share the database.
    static let statements = [
        """
        CREATE UNLOGGED TABLE \(ClusterSchema.name).letters (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            target BIGINT NOT NULL,
            sender BIGINT NOT NULL,
            number BIGINT NOT NULL,
            is_answer BOOLEAN NOT NULL,
            body TEXT NOT NULL,
            sent TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
        ) WITH (autovacuum_vacuum_scale_factor = 0.02)
        """,
        "CREATE INDEX letters_by_target ON \(ClusterSchema.name).letters (target, id)",
        """
        CREATE UNLOGGED TABLE \(ClusterSchema.name).figures (
            node BIGINT PRIMARY KEY,
            at TIMESTAMPTZ NOT NULL,
            status TEXT NOT NULL,
            destinations TEXT NOT NULL
        ) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.02)
        """,
    ]
}
