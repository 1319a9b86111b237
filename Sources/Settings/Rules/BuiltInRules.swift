/// What large providers and widespread servers answer where the codes alone would mislead, in the
/// notation of the configuration. `sluiced classify --rules` prints it.
///
/// They go by the words and not by the destination, so that a smart host that passes the words on
/// is understood too. `source` says where the reply is documented; a comment gives the wording
/// that the rule goes by. Only what is refused for a while is in here: a rule that turns a
/// refusal into a bounce, or a 5xx into another attempt, is the operator's to make.
package enum BuiltInRules {
    package static let all: [ReplyRule] = {
        do throws(SettingsError) {
            return try TableReader.read(text: text, file: "built-in rules") {
                ReplyRule.readAll($0, reserved: [])
            }
        } catch {
            // The tests read this text.
            preconditionFailure("\(error)")
        }
    }()

    static let names = Set(all.map(\.name))

    package static let text = #"""
        # --- Gmail and Google Workspace. "gsmtp" ends every reply of theirs. ------------------

        # 421 4.7.28 [IP] … an unusual rate of unsolicited mail originating from your IP address …
        # mail sent from your IP address has been temporarily rate limited. 4.7.0 before 2022.
        [[rules]]
        name = "gmail-ip-rate"
        code = "421"
        enhanced = ["4.7.0", "4.7.28"]
        text = "unusual rate of.*originating from your IP address.*gsmtp"
        action = "throttle-rate"
        source = "https://support.google.com/a/answer/3726730"

        # 421 4.7.28 … an unusual rate of unsolicited mail originating from your SPF domain [or
        # DKIM domain]; … containing one of your URL domains: other senders are not meant.
        [[rules]]
        name = "gmail-domain-rate"
        code = "421"
        enhanced = "4.7.28"
        text = "(your (SPF|DKIM) domain|your URL domains).*gsmtp"
        action = "message"
        source = "https://support.google.com/a/answer/3726730"

        # 421 4.7.0 … this message is suspicious due to the very low reputation of the sending
        # domain [or: the nature of the content and/or the links within].
        [[rules]]
        name = "gmail-suspicious"
        code = "421"
        enhanced = "4.7.0"
        text = "this message is suspicious due to.*gsmtp"
        action = "message"
        source = "https://support.google.com/a/answer/3726730"

        # 450 4.2.1 The user you are trying to contact is receiving email too quickly [or: at a
        # rate that prevents additional messages from being delivered].
        [[rules]]
        name = "gmail-busy-mailbox"
        code = "450"
        enhanced = "4.2.1"
        text = "receiving e?mail (too quickly|at a rate)"
        action = "recipient"
        source = "https://support.google.com/a/answer/3726730"

        # 450 4.2.1 Peak SMTP relay limit exceeded for this customer. This is a temporary error.
        [[rules]]
        name = "gmail-relay-limit"
        code = "450"
        enhanced = "4.2.1"
        text = "SMTP relay limit exceeded"
        action = "throttle-rate"
        source = "https://support.google.com/a/answer/3726730"

        # --- Yahoo, AOL and the providers that they host --------------------------------------

        # 421 4.7.1 [TS03] All messages from IP will be permanently deferred; Retrying will NOT
        # succeed. Their page: "we do not recommend attempting to resend your messages until …"
        [[rules]]
        name = "yahoo-ts03"
        code = "421"
        text = "\\[TS03\\]|permanently deferred; Retrying will NOT succeed"
        action = "suspend"
        time = "4h"
        source = "https://help.yahoo.com/kb/postmaster/SLN3436.html"

        # 421 4.7.0 [TSS04] Messages from IP temporarily deferred due to unexpected volume or user
        # complaints - 4.16.55.1; [TS01] and [TS02] the same.
        [[rules]]
        name = "yahoo-deferred"
        code = "421"
        text = "\\[TSS?[0-9]+\\].*temporarily deferred"
        action = "throttle-rate"
        source = "https://senders.yahooinc.com/smtp-error-codes/"

        # --- Outlook.com, Hotmail, Microsoft 365 ----------------------------------------------

        # 451 4.7.650 The mail server [IP] has been temporarily rate limited due to IP reputation.
        # For e-mail delivery information, see https://aka.ms/postmaster (S775). Also 4.7.651.
        [[rules]]
        name = "outlook-ip-reputation"
        code = "451"
        enhanced = "4.7.650-651"
        text = "rate limited due to IP reputation"
        action = "throttle-rate"
        source = "https://aka.ms/postmaster"

        # 421 RP-001, RP-002: the sending IP has exceeded the rate limit allowed.
        [[rules]]
        name = "outlook-rate"
        code = "421"
        text = "RP-00[12]"
        action = "throttle-rate"
        source = "https://sendersupport.olc.protection.outlook.com/pm/troubleshooting"

        # 421 RP-003: the sending IP has exceeded the connection limit allowed.
        [[rules]]
        name = "outlook-connections"
        code = "421"
        text = "RP-003"
        action = "throttle-connections"
        source = "https://sendersupport.olc.protection.outlook.com/pm/troubleshooting"

        # 451 4.7.500 Server busy. Please try again later from [IP]. (S77714), (AS77712344)
        [[rules]]
        name = "microsoft-busy"
        code = "451"
        enhanced = "4.7.500-699"
        text = "server busy"
        action = "throttle-rate"
        source = "https://smtp.codes/exchangeonline"

        # 421 4.3.2 The maximum number of concurrent connections … has exceeded a limit, closing
        # transmission channel.
        [[rules]]
        name = "microsoft-connections"
        code = "421"
        enhanced = "4.3.2"
        text = "maximum number of concurrent connections"
        action = "throttle-connections"
        source = "https://smtp.codes/exchangeonline"

        # 451 4.7.0 Temporary server error. Please try again later. PRX4: the machine that has
        # this mailbox cannot be reached; that is not Microsoft as a whole.
        [[rules]]
        name = "microsoft-mailbox-server"
        code = "451"
        enhanced = "4.7.0"
        text = "temporary server error.*PRX[0-9]"
        action = "recipient"
        source = "https://smtp.codes/exchangeonline"

        # --- Comcast, Xfinity -----------------------------------------------------------------

        # 421 … Throttled - try again later. … Please see
        # http://postmaster.comcast.net/smtp-error-codes.php#RL000002
        [[rules]]
        name = "comcast-throttled"
        code = "421"
        text = "comcast\\.net.*#RL0[0-9]+"
        action = "throttle-rate"
        source = "http://postmaster.comcast.net/smtp-error-codes.php"

        # 421 - [Too many sessions opened] Comcast allows 25 simultaneous connections per sending
        # IP address.
        [[rules]]
        name = "comcast-sessions"
        code = "421"
        text = "too many sessions opened"
        action = "throttle-connections"
        source = "http://postmaster.comcast.net/smtp-error-codes.php"

        # --- iCloud ---------------------------------------------------------------------------

        # 421 4.7.1 Messages to ADDRESS deferred due to excessive volume. Try again later -
        # https://support.apple.com/en-us/HT204137: one mailbox that gets too much.
        [[rules]]
        name = "icloud-busy-mailbox"
        code = "421"
        enhanced = "4.7.1"
        text = "messages to .* deferred due to excessive volume"
        action = "recipient"
        source = "https://smtp.codes/icloud"

        # --- GMX, WEB.DE, mail.com, IONOS -----------------------------------------------------

        # 421 web.de (mxweb113) Nemesis ESMTP Service not available … Too many messages have been
        # received in a short period of time. Please try again in a few hours and reduce the
        # sending rate. Also: 421 Rate limit reached. Please try again later.
        [[rules]]
        name = "united-internet-rate"
        code = "421"
        text = "Nemesis ESMTP.*(too many messages|rate limit)|^421 Rate limit reached"
        action = "suspend"
        time = "1h"
        source = "https://postmaster.gmx.com/en/error-messages"

        # --- Orange, Wanadoo ------------------------------------------------------------------

        # 421 Trop de connexions, veuillez verifier votre configuration. Too many connections,
        # slow down. OFR004_104 [104]
        [[rules]]
        name = "orange-connections"
        code = "421"
        text = "OFR[0-9]*_104"
        action = "throttle-connections"
        source = "https://www.postmastery.com/orange-postmaster-smtp-error-codes-ofr/"

        # 421 Service refuse. Veuillez essayer plus tard. Service refused, please try later.
        # OFR004_105 [105]; 108 and 999 are worded like it.
        [[rules]]
        name = "orange-refused"
        code = "421"
        text = "OFR[0-9]*_(105|108|999)"
        action = "throttle-rate"
        source = "https://www.postmastery.com/orange-postmaster-smtp-error-codes-ofr/"

        # --- Mimecast -------------------------------------------------------------------------

        # 451 Internal resources are temporarily unavailable: "The sending mail server is subjected
        # to Greylisting. This requires the server retries the connection, between one minute and
        # 12 hours."
        [[rules]]
        name = "mimecast-greylist"
        code = "451"
        text = "internal resources? (is |are )?temporarily unavailable"
        action = "greylist"
        source = "https://mimecastsupport.zendesk.com/hc/en-us/articles/34000709564691-Policies-Mimecast-SMTP-Error-Codes"

        # 421 Unable to process connection at this time: "The Mimecast server is under maximum
        # load."
        [[rules]]
        name = "mimecast-load"
        code = "421"
        text = "unable to process connection at this time"
        action = "throttle-connections"
        source = "https://mimecastsupport.zendesk.com/hc/en-us/articles/34000709564691-Policies-Mimecast-SMTP-Error-Codes"

        # --- Proofpoint -----------------------------------------------------------------------

        # 452 Too many recipients received this hour: of all that this host sends there. By its
        # code alone it would be "too many in this transaction".
        [[rules]]
        name = "proofpoint-hour"
        code = "452"
        text = "too many recipients received this hour"
        action = "throttle-rate"
        source = "https://www.suped.com/learn/email-deliverability/what-filtering-provider-uses-the-bounce-message-452-too-many-recipients-received-this-hour-and-h"

        # --- Servers ---------------------------------------------------------------------------

        # Postfix, smtpd_client_connection_count_limit and …_rate_limit:
        # 421 4.7.0 HOST Error: too many connections from CLIENT
        [[rules]]
        name = "postfix-connections"
        code = "421"
        enhanced = "4.7.0"
        text = "error: too many connections from "
        action = "throttle-connections"
        source = "https://www.postfix.org/TUNING_README.html#conn_limit"

        # Postfix, smtpd_client_message_rate_limit and …_recipient_rate_limit:
        # 450 4.7.1 Error: too much mail from CLIENT; Error: too many recipients from CLIENT
        [[rules]]
        name = "postfix-rate"
        code = ["421", "450"]
        text = "error: (too much mail|too many recipients) from "
        action = "throttle-rate"
        source = "https://www.postfix.org/postconf.5.html#smtpd_client_message_rate_limit"

        # sendmail, FEATURE(`conncontrol') and FEATURE(`ratecontrol'):
        # 421 4.3.2 Too many open connections. 421 4.3.2 Connection rate limit exceeded.
        [[rules]]
        name = "sendmail-connections"
        code = ["421", "452"]
        enhanced = "4.3.2"
        text = "too many open connections|connection rate limit exceeded"
        action = "throttle-connections"
        source = "https://www.sendmail.org/~ca/email/doc8.12/cf/m4/features.html"

        # Exim, smtp_accept_max and smtp_accept_max_per_host:
        # 421 Too many concurrent SMTP connections from this IP address; please try again later.
        [[rules]]
        name = "exim-connections"
        code = "421"
        text = "too many concurrent SMTP connections"
        action = "throttle-connections"
        source = "https://www.exim.org/exim-html-current/doc/html/spec_html/ch-main_configuration.html"

        # --- Greylisting (RFC 6647) -----------------------------------------------------------

        # postgrey: Greylisted, see http://postgrey.schweikert.ch/help/… ; milter-greylist:
        # Greylisting in action, please come back in 00:04:59; and many that are like them.
        [[rules]]
        name = "greylist"
        code = "4xx"
        text = "gr[ae]y[- ]?list"
        stage = ["mail", "rcpt", "data", "dot"]
        action = "greylist"
        source = "https://www.rfc-editor.org/rfc/rfc6647"

        # rspamd's default message, after the content.
        [[rules]]
        name = "rspamd-greylist"
        code = "451"
        enhanced = "4.7.1"
        text = "4\\.7\\.1 try again later$"
        stage = ["data", "dot"]
        action = "greylist"
        source = "https://rspamd.com/doc/modules/greylisting.html"
        """#
}
