import PostgreSQL

/// The tables of members and ownership, in a schema of their own beside the spool's, and their rules
/// as functions: each call is one transaction. They are those of `Members` and `Tenure`.
///
/// Who starts, leaves or is declared dead locks the row of `cluster` alone, everybody else shares
/// it: so what a request is checked against holds until it has taken effect. The functions need
/// READ COMMITTED, where each statement sees what was committed while the one before it waited.
enum ClusterSchema {
    static let name = "sluice_cluster"

    /// The SQLSTATE of a request from a life, or on a timeline, that is over.
    static let over = "SL002"
    /// … of a start under the name of a node that may be alive elsewhere.
    static let nameInUse = "SL003"
    /// What a node that waits listens to.
    static let channel = "sluice_cluster"
    /// … that somebody has claimed something.
    static let tenureChannel = "sluice_tenures"
    /// … with its number: mail that others have taken in for it.
    static let arrivalChannel = "sluice_arrivals_"
    /// The first key of the lock that a node's writing session holds, with its number.
    static let writerLock: Int32 = 1000
    /// Local to a transaction: whether its node's life is not over.
    static let isLive = "sluice.is_live"

    static let statements = [
        "CREATE SCHEMA \(name)",
        // The timeline of what is written now; a checkpoint would tell it only later. The system's
        // identifier sets apart a copy of the database on another server.
        """
        CREATE FUNCTION \(name).present_timeline() RETURNS bigint LANGUAGE sql AS $$
            SELECT (SELECT system_identifier FROM pg_control_system())
                # (('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint << 31)
        $$
        """,
        """
        CREATE TABLE \(name).cluster (
            one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one),
            timeline BIGINT NOT NULL,
            is_settling BOOLEAN NOT NULL,
            last_life BIGINT NOT NULL
        ) WITH (fillfactor = 20)
        """,
        "INSERT INTO \(name).cluster VALUES (true, \(name).present_timeline(), false, 0)",
        """
        CREATE TABLE \(name).nodes (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name TEXT COLLATE "C" NOT NULL UNIQUE,
            life BIGINT NOT NULL,
            beat BIGINT NOT NULL,
            is_live BOOLEAN NOT NULL,
            home BIGINT NOT NULL,
            is_drained BOOLEAN NOT NULL DEFAULT false,
            weights TEXT NOT NULL
        ) WITH (fillfactor = 20)
        """,
        """
        CREATE TABLE \(name).tenures (
            destination BIGINT PRIMARY KEY,
            owner BIGINT,
            life BIGINT NOT NULL,
            number BIGINT NOT NULL
        ) WITH (fillfactor = 50)
        """,
        // Mail that its owner does not know of yet: others have taken it in.
        """
        CREATE TABLE \(name).arrivals (
            delivery BIGINT PRIMARY KEY,
            district BIGINT NOT NULL
        ) WITH (autovacuum_vacuum_scale_factor = 0.02)
        """,
        "CREATE INDEX arrivals_by_district ON \(name).arrivals (district, delivery)",
        // At the head of each transaction of the spool. The lock keeps the life from being ended
        // until the transaction has; a renewal does not wait for it.
        function(
            "begin_write", "who bigint, its_life bigint", "void",
            """
            PERFORM FROM nodes WHERE id = who AND life = its_life AND is_live FOR KEY SHARE;
            PERFORM set_config('\(isLive)', CASE WHEN FOUND THEN '1' ELSE '0' END, true);
            """),
        function(
            "assert_member", "who bigint, its_life bigint, its_timeline bigint", "void",
            """
            PERFORM FROM cluster FOR SHARE;
            IF its_timeline <> present_timeline() OR NOT EXISTS (
                SELECT FROM nodes WHERE id = who AND life = its_life AND is_live)
            THEN
                RAISE EXCEPTION 'this life of the node is over' USING ERRCODE = '\(over)';
            END IF;
            """),
        function(
            "join_cluster", "its_name text, its_home bigint, its_weights text",
            "TABLE (its_id bigint, its_life bigint, its_timeline bigint)",
            """
            PERFORM FROM cluster FOR UPDATE;
            PERFORM FROM nodes FOR UPDATE;
            its_timeline := present_timeline();
            UPDATE cluster SET timeline = its_timeline, is_settling = true
                WHERE timeline <> its_timeline;
            -- Their requests would be refused; what they may still do ends by their own clocks.
            IF FOUND THEN UPDATE nodes SET is_live = false WHERE is_live; END IF;
            PERFORM FROM nodes WHERE name = its_name AND is_live AND home <> its_home;
            IF FOUND THEN
                RAISE EXCEPTION 'a node elsewhere has this name' USING ERRCODE = '\(nameInUse)';
            END IF;
            UPDATE cluster SET last_life = last_life + 1 RETURNING last_life INTO its_life;
            INSERT INTO nodes (name, life, beat, is_live, home, weights)
                VALUES (its_name, its_life, 1, true, its_home, its_weights)
                ON CONFLICT (name) DO UPDATE SET life = excluded.life, beat = nodes.beat + 1,
                    is_live = true, home = excluded.home, is_drained = false,
                    weights = excluded.weights
                RETURNING id INTO its_id;
            PERFORM pg_notify('\(channel)', 'nodes');
            RETURN NEXT;
            """),
        function(
            "renew", "who bigint, its_life bigint, its_timeline bigint, has_settled bigint", "void",
            """
            IF has_settled <> 0 AND (SELECT is_settling FROM cluster) THEN
                PERFORM FROM cluster FOR UPDATE;
            END IF;
            PERFORM assert_member(who, its_life, its_timeline);
            UPDATE nodes SET beat = beat + 1 WHERE id = who;
            IF has_settled <> 0 THEN
                UPDATE cluster SET is_settling = false WHERE is_settling;
            END IF;
            """),
        function(
            "declare_dead",
            """
            target bigint, seen_life bigint, seen_beat bigint, who bigint, its_life bigint,
            its_timeline bigint
            """, "boolean",
            """
            PERFORM FROM cluster FOR UPDATE;
            PERFORM assert_member(who, its_life, its_timeline);
            PERFORM FROM nodes
                WHERE id = target AND is_live AND life = seen_life AND beat = seen_beat;
            IF NOT FOUND THEN RETURN false; END IF;
            -- A session that its machine left behind would hold the row for a long time.
            PERFORM pg_terminate_backend(pid) FROM pg_locks
                WHERE locktype = 'advisory' AND classid = \(SharedSchema.lockSpace)
                    AND objid = \(writerLock) + target AND granted
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
            PERFORM FROM nodes WHERE id = target FOR UPDATE;
            UPDATE nodes SET is_live = false
                WHERE id = target AND is_live AND life = seen_life AND beat = seen_beat;
            IF NOT FOUND THEN RETURN false; END IF;
            PERFORM pg_notify('\(channel)', 'nodes');
            RETURN true;
            """),
        function(
            "leave", "who bigint, its_life bigint, its_timeline bigint", "void",
            """
            PERFORM FROM cluster FOR UPDATE;
            PERFORM assert_member(who, its_life, its_timeline);
            PERFORM FROM nodes WHERE id = who FOR UPDATE;
            UPDATE nodes SET is_live = false WHERE id = who;
            PERFORM pg_notify('\(channel)', 'nodes');
            """),
        // Only by who has their districts: a request that arrives late would hide them from the next.
        function(
            "remove_arrivals",
            "which bigint[], who bigint, its_life bigint, its_timeline bigint", "void",
            """
            PERFORM assert_member(who, its_life, its_timeline);
            DELETE FROM arrivals USING tenures
                WHERE delivery = ANY (which) AND destination = district AND owner = who
                    AND tenures.life = its_life;
            """),
        function(
            "set_drained", "target text, drained bigint", "boolean",
            """
            PERFORM FROM cluster FOR UPDATE;
            UPDATE nodes SET is_drained = drained <> 0 WHERE name = target;
            IF NOT FOUND THEN RETURN false; END IF;
            PERFORM pg_notify('\(channel)', 'nodes');
            RETURN true;
            """),
        function(
            "claim",
            """
            which bigint, seen bigint, who bigint, its_life bigint, its_timeline bigint
            """, "bigint",
            """
            PERFORM assert_member(who, its_life, its_timeline);
            IF (SELECT is_settling FROM cluster) THEN RETURN NULL; END IF;
            INSERT INTO tenures VALUES (which, NULL, 0, 0) ON CONFLICT DO NOTHING;
            UPDATE tenures SET owner = who, life = its_life, number = seen + 1
                WHERE destination = which AND number = seen
                    AND (owner IS NULL OR owner = who OR NOT EXISTS (
                        SELECT FROM nodes AS other WHERE other.id = tenures.owner
                            AND other.life = tenures.life AND other.is_live));
            IF NOT FOUND THEN RETURN NULL; END IF;
            PERFORM pg_notify('\(tenureChannel)', '');
            RETURN seen + 1;
            """),
        function(
            "release",
            """
            which bigint, granted bigint, who bigint, its_life bigint, its_timeline bigint
            """, "boolean",
            """
            PERFORM assert_member(who, its_life, its_timeline);
            UPDATE tenures SET owner = NULL, life = 0, number = granted + 1
                WHERE destination = which AND owner = who AND life = its_life
                    AND number = granted;
            IF NOT FOUND THEN RETURN false; END IF;
            PERFORM pg_notify('\(channel)', which::text);
            RETURN true;
            """),
    ]

    private static func function(
        _ title: String, _ parameters: String, _ answer: String, _ body: String
    ) -> String {
        """
        CREATE FUNCTION \(name).\(title)(\(parameters)) RETURNS \(answer)
        LANGUAGE plpgsql SET search_path = \(name) AS $$
        BEGIN
            \(body)
        END $$
        """
    }
}
