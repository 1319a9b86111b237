extension Theme {
    /// `themes/dark.toml`, so that there is always one; a test keeps the two the same.
    static let defaultText = """
        # Quiet greys on near-black; colour where something is going on.

        [meta]
        name = "dark"
        variant = "dark"
        contrast = 4.5

        [palette]
        ground = "#121212"
        raised = "#262626"
        well = "#3a3a3a"
        cursor = "#303030"
        ink = "#d0d0d0"
        bright = "#ffffff"
        soft = "#bcbcbc"
        muted = "#9e9e9e"
        faint = "#585858"
        accent = "#87d7ff"
        red = "#ff8787"
        orange = "#ffaf5f"
        yellow = "#ffd75f"
        green = "#87d787"
        cyan = "#5fafd7"
        blue = "#5f87af"
        violet = "#d7afff"
        gauge = "#5f8787"
        idle = "#a8a8a8"

        [roles]
        # Surfaces: what other things are drawn on.
        text = { fg = "ink", bg = "ground", ansi16 = "default", mono = "" }
        bar = { fg = "ink", bg = "raised", ansi16 = "reverse", mono = "reverse" }
        heading = { fg = "muted", bg = "ground", attrs = ["underline"], ansi16 = "bold", mono = "bold" }
        selection = { bg = "cursor", ansi16 = "bold white on blue", mono = "reverse" }
        dialog = { fg = "ink", bg = "raised", ansi16 = "default", mono = "" }
        field = { fg = "bright", bg = "well", ansi16 = "underline", mono = "underline" }
        button = { fg = "ink", bg = "well", ansi16 = "reverse", mono = "" }
        button-focused = { fg = "ground", bg = "accent", attrs = ["bold"], ansi16 = "bold white on blue", mono = "bold reverse" }
        danger-focused = { fg = "ground", bg = "red", attrs = ["bold"], ansi16 = "bold white on red", mono = "bold reverse" }

        # Text of general use.
        dim = { fg = "muted", ansi16 = "dim", mono = "" }
        strong = { fg = "bright", attrs = ["bold"], ansi16 = "bold", mono = "bold" }
        title = { fg = "accent", attrs = ["bold"], ansi16 = "bold reverse", mono = "bold reverse" }
        heading-sorted = { fg = "accent", attrs = ["bold"], ansi16 = "bold underline", mono = "bold underline" }
        good = { fg = "green", ansi16 = "green", mono = "" }
        warning = { fg = "yellow", ansi16 = "yellow", mono = "bold" }
        bad = { fg = "red", ansi16 = "bold red", mono = "bold" }
        tag = { fg = "accent", attrs = ["bold"], ansi16 = "bold cyan", mono = "bold" }
        key = { fg = "accent", attrs = ["bold"], ansi16 = "bold cyan", mono = "bold" }
        disabled = { fg = "faint", ansi16 = "dim", mono = "dim" }
        placeholder = { fg = "soft", ansi16 = "dim underline", mono = "dim underline" }
        dialog-title = { fg = "bright", attrs = ["bold"], ansi16 = "bold", mono = "bold" }
        stale = { fg = "muted", ansi16 = "dim", mono = "dim" }

        # What a destination does.
        paused = { fg = "violet", ansi16 = "magenta", mono = "underline" }
        backoff = { fg = "red", ansi16 = "bold red", mono = "bold" }
        probing = { fg = "orange", ansi16 = "red", mono = "bold" }
        waiting = { fg = "yellow", ansi16 = "yellow", mono = "" }
        delivering = { fg = "green", ansi16 = "green", mono = "" }
        scheduled = { fg = "cyan", ansi16 = "cyan", mono = "" }
        idle = { fg = "idle", ansi16 = "dim", mono = "dim" }

        # A dialogue, and how much is where.
        sent = { fg = "cyan", ansi16 = "cyan", mono = "" }
        received = { fg = "green", ansi16 = "green", mono = "bold" }
        heat-low = { fg = "muted", ansi16 = "default", mono = "" }
        heat-mid = { fg = "yellow", ansi16 = "yellow", mono = "underline" }
        heat-high = { fg = "red", attrs = ["bold"], ansi16 = "bold red", mono = "bold reverse" }

        # Pictures.
        gauge = { fg = "gauge", ansi16 = "green", mono = "" }
        gauge-room = { fg = "muted", ansi16 = "default", mono = "" }
        gauge-closed = { fg = "faint", ansi16 = "dim", mono = "dim" }
        tokens = { fg = "blue", ansi16 = "cyan", mono = "" }
        tokens-low = { fg = "yellow", ansi16 = "yellow", mono = "bold" }
        spark = { fg = "blue", ansi16 = "cyan", mono = "" }
        border = { fg = "faint", ansi16 = "dim", mono = "dim" }

        """
}
