// Package alert tells people that spending has reached a rung, or that somebody asks for
// more: by e-mail, by a signed webhook, in Slack and Microsoft Teams, and through PagerDuty.
//
// Deliveries are stored in Postgres, written together with the alert itself, and the leader
// takes them from there: nothing is lost while a mail server, a receiver or the manager is
// away, and no two managers send the same. If a manager dies, or loses Postgres, between
// sending and recording it, the same is sent again, under the same id.
//
// Secrets are read one at a time, when they are needed, and only where RBAC lets the manager
// read them. The package must never write their content anywhere, errors included.
package alert
