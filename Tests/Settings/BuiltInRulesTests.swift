import Mail
import Scheduler
import Testing

@testable import Settings

@Suite struct BuiltInRulesTests {
    private func treat(_ text: String, _ stage: Stage) -> Treatment {
        let rules = ReplyRules(Configuration())
        let names = DestinationNames(identity: "192.0.2.1", domains: ["a.test"], exchangers: [])
        return rules.treatment(
            of: Reply(stored: text), stage: stage, among: rules.selection(for: names))
    }

    @Test func eachCitesItsSource() {
        #expect(BuiltInRules.all.count > 20)
        for rule in BuiltInRules.all {
            #expect(rule.source?.hasPrefix("http") == true, "\(rule.name)")
            #expect(!rule.name.hasPrefix("rules["))
            // Only what is refused for a while, and never by its code alone.
            #expect(rule.text != nil, "\(rule.name)")
            #expect(rule.codes.allSatisfy { $0.codes.upperBound < 500 }, "\(rule.name)")
            #expect(!rule.codes.isEmpty, "\(rule.name)")
            #expect(rule.action != .bounce)
        }
    }

    /// Replies as the providers document them or as they stand in public logs.
    @Test(arguments: [
        (
            "421 4.7.28 [203.0.113.42] Our system has detected an unusual rate of unsolicited mail"
                + " originating from your IP address. To protect our users from spam, mail sent"
                + " from your IP address has been temporarily rate limited. Please visit"
                + " https://support.google.com/mail/?p=UnsolicitedRateLimitError to review our"
                + " Bulk Email Senders Guidelines. p4si3522070uam.9 - gsmtp",
            Stage.dot, "gmail-ip-rate", Treatment.Outcome.wait(.destination)
        ),
        (
            "421 4.7.0 [216.194.173.80 15] Our system has detected an unusual rate of unsolicited"
                + " mail originating from your IP address. … rate limited. … - gsmtp",
            .dot, "gmail-ip-rate", .wait(.destination)
        ),
        (
            "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from"
                + " your DKIM domain. … - gsmtp",
            .dot, "gmail-domain-rate", .wait(.content)
        ),
        (
            "421 4.7.0 [192.0.2.1] Our system has detected that this message is suspicious due to"
                + " the very low reputation of the sending domain. … - gsmtp",
            .dot, "gmail-suspicious", .wait(.content)
        ),
        (
            "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents"
                + " additional messages from being delivered. … - gsmtp",
            .rcpt, "gmail-busy-mailbox", .wait(.recipient)
        ),
        (
            "450 4.2.1 Peak SMTP relay limit exceeded for this customer. This is a temporary error.",
            .rcpt, "gmail-relay-limit", .wait(.destination)
        ),
        (
            "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume"
                + " or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
            .mail, "yahoo-deferred", .wait(.destination)
        ),
        (
            "421 4.7.0 [TS01] Messages from 192.0.2.1 temporarily deferred due to user complaints"
                + " - 4.16.55.1; see http://postmaster.yahoo.com/421-ts01.html",
            .greeting, "yahoo-deferred", .wait(.destination)
        ),
        (
            "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying"
                + " will NOT succeed. See https://help.yahoo.com/kb/postmaster/SLN3436.html",
            .mail, "yahoo-ts03", .suspend(.seconds(4 * 3600))
        ),
        (
            "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP"
                + " reputation. For e-mail delivery information, see https://aka.ms/postmaster"
                + " (S775) [Name=Protocol Filter Agent][AGT=PFA]",
            .mail, "outlook-ip-reputation", .wait(.destination)
        ),
        (
            "421 RP-001 (SNT0-MC2-F19) Unfortunately, some messages from 192.0.2.1 weren't sent."
                + " Please try again. We have limits for how many messages can be sent per hour"
                + " and per day.",
            .mail, "outlook-rate", .wait(.destination)
        ),
        (
            "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS77712344)",
            .rcpt, "microsoft-busy", .wait(.destination)
        ),
        (
            "421 4.3.2 The maximum number of concurrent connections per resource forest has"
                + " exceeded a limit, closing transmission channel. PRX8",
            .mail, "microsoft-connections", .wait(.crowded)
        ),
        (
            "451 4.7.0 Temporary server error. Please try again later. PRX4 NextHop: x", .rcpt,
            "microsoft-mailbox-server", .wait(.recipient)
        ),
        (
            "421 resimta-po-18v.sys.comcast.net resimta-po-18v.sys.comcast.net 192.0.2.1 Throttled -"
                + " try again later. TFaqdRTZSZ3s0 Please see"
                + " http://postmaster.comcast.net/smtp-error-codes.php#RL000002",
            .greeting, "comcast-throttled", .wait(.destination)
        ),
        ("421 Too many sessions opened", .greeting, "comcast-sessions", .wait(.crowded)),
        (
            "421 4.7.1 Messages to example@icloud.com deferred due to excessive volume. Try again"
                + " later - https://support.apple.com/en-us/HT204137",
            .rcpt, "icloud-busy-mailbox", .wait(.recipient)
        ),
        (
            "421 web.de (mxweb113) Nemesis ESMTP Service not available Service unavailable Reject"
                + " due to policy restrictions Please try again later. Too many messages have been"
                + " received in a short period of time.",
            .greeting, "united-internet-rate", .suspend(.seconds(3600))
        ),
        (
            "421 Trop de connexions, veuillez verifier votre configuration. Too many connections,"
                + " slow down. OFR004_104 [104]",
            .greeting, "orange-connections", .wait(.crowded)
        ),
        (
            "421 mwinf5c04 ME Service refuse. Veuillez essayer plus tard. Service refused, please"
                + " try later. OFR_999 [999]",
            .mail, "orange-refused", .wait(.destination)
        ),
        (
            "451 Internal resource is temporarily unavailable -"
                + " https://community.mimecast.com/docs/DOC-1369#451 [Aj3QXapeMpqZYaeFwWhjzw.us32]",
            .rcpt, "mimecast-greylist", .wait(.greylisted)
        ),
        (
            "452 Too many recipients received this hour", .rcpt, "proofpoint-hour",
            .wait(.destination)
        ),
        (
            "421 4.7.0 mx.a.test Error: too many connections from 192.0.2.1", .greeting,
            "postfix-connections", .wait(.crowded)
        ),
        (
            "450 4.7.1 Error: too much mail from 192.0.2.1", .mail, "postfix-rate",
            .wait(.destination)
        ),
        (
            "421 4.3.2 Connection rate limit exceeded.", .greeting, "sendmail-connections",
            .wait(.crowded)
        ),
        (
            "421 Too many concurrent SMTP connections from this IP address; please try again later.",
            .greeting, "exim-connections", .wait(.crowded)
        ),
        (
            "450 4.2.0 <u@a.test>: Recipient address rejected: Greylisted, see"
                + " http://postgrey.schweikert.ch/help/a.test.html",
            .rcpt, "greylist", .wait(.greylisted)
        ),
        (
            "451 4.7.1 Greylisting in action, please come back in 00:04:59", .rcpt, "greylist",
            .wait(.greylisted)
        ),
        ("451 4.7.1 Try again later", .dot, "rspamd-greylist", .wait(.greylisted)),
    ])
    func known(_ reply: String, _ stage: Stage, _ rule: String, _ outcome: Treatment.Outcome) {
        let treatment = treat(reply, stage)
        #expect(treatment.rule == rule)
        #expect(treatment.outcome == outcome)
    }

    @Test(arguments: [
        "450 4.2.1 try later", "550 5.7.1 [TS03] permanently deferred", "451 4.3.0 local error",
        "421 4.7.0 unusual rate of unsolicited mail originating from your IP address",
        "250 2.0.0 greylisted no more",
    ])
    func othersAreLeftAlone(_ reply: String) {
        #expect(treat(reply, .rcpt).rule == nil)
    }
}
