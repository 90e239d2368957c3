package v1alpha1

// Alerts says who is notified when a rung of the ladder is reached or a limit is fully spent. Every recipient is notified once per limit, user, period and amount.
//
// +kubebuilder:validation:XValidation:rule="has(self.email) || has(self.webhook) || has(self.slack) || has(self.teams) || has(self.pagerDuty)",message="must set email, webhook, slack, teams or pagerDuty; to alert nobody, leave out alerts"
// +kubebuilder:validation:XValidation:rule="!has(self.filters) || self.filters.all(f, f.recipients.all(r, r == 'Webhook' ? has(self.webhook) : r == 'Slack' ? has(self.slack) : r == 'Teams' ? has(self.teams) : r == 'PagerDuty' ? has(self.pagerDuty) : has(self.email) && self.email.exists(e, e == r)))",message="must name recipients that alerts sets: an address in email, Webhook, Slack, Teams or PagerDuty",fieldPath=".filters"
type Alerts struct {
	// email lists the addresses to notify. Each gets a message of its own. Requires the manager's BURSAR_SMTP_URL and --smtp-from. Unset: no e-mail is sent.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Email []EmailAddress `json:"email,omitempty"`
	// webhook receives each alert as a CloudEvent, signed as Standard Webhooks specifies. Unset: no webhook is called.
	// +optional
	Webhook *AlertWebhook `json:"webhook,omitempty"`
	// slack sends alerts to a Slack channel, or to a channel of a compatible service such as Mattermost. Unset: nothing is posted to Slack.
	// +optional
	Slack *SlackAlerts `json:"slack,omitempty"`
	// teams sends alerts to a channel or chat of Microsoft Teams that has a workflow for webhooks. Unset: nothing is posted to Teams.
	// +optional
	Teams *TeamsAlerts `json:"teams,omitempty"`
	// pagerDuty sends alerts to a PagerDuty service. Each message becomes an incident, which is resolved when its cause is gone. Unset: nothing is sent to PagerDuty.
	// +optional
	PagerDuty *PagerDutyAlerts `json:"pagerDuty,omitempty"`
	// filters narrow down which alerts recipients get. A recipient that several filters name gets the alerts that any of them selects. A recipient that no filter names gets every alert. Unset: every recipient gets every alert.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Filters []AlertFilter `json:"filters,omitempty"`
	// anomalies adds alerts about unusual activity to those about rungs and spent limits. They have severity Warning. At most one of each kind is sent per day about the same user. Unset: no such alerts.
	// +optional
	Anomalies *AlertAnomalies `json:"anomalies,omitempty"`
}

// AlertAnomalies says which unusual activity raises an alert.
//
// +kubebuilder:validation:XValidation:rule="has(self.spending) || has(self.refusals) || has(self.unusedKeys)",message="must set spending, refusals or unusedKeys; for none of them, leave out anomalies"
type AlertAnomalies struct {
	// spending alerts on an hour in which the tenant, or one of its users, spent far more than is usual at that hour of that weekday: more than four times the median of the last eight weeks, and more than eight robust standard deviations above that median. No alert is raised about anyone who has spent for less than four weeks. Unset: no such alerts.
	// +optional
	Spending *UnusualSpending `json:"spending,omitempty"`
	// refusals alerts on an hour in which limits refused many of the tenant's calls. Unset: no such alerts.
	// +optional
	Refusals *ManyRefusals `json:"refusals,omitempty"`
	// unusedKeys alerts, once a month, on each of the tenant's APIKeys that has not been used for a long time. Unset: no such alerts.
	// +optional
	UnusedKeys *UnusedKeys `json:"unusedKeys,omitempty"`
}

// UnusualSpending sets the least spending that raises an alert.
type UnusualSpending struct {
	// minAmount is the least amount that must be spent within the hour to raise an alert, in the currency of the limits. Default: "1.00".
	// +optional
	MinAmount Amount `json:"minAmount,omitempty"`
}

// ManyRefusals sets how many refused calls raise an alert.
type ManyRefusals struct {
	// atPercent is the percentage of the hour's calls, from 1 to 100, that must be refused to raise an alert. Default: 25.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	AtPercent *int32 `json:"atPercent,omitempty"`
	// minRefused is the number of calls that must be refused within the hour to raise an alert, whatever the percentage. Default: 20.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	// +optional
	MinRefused *int64 `json:"minRefused,omitempty"`
}

// UnusedKeys sets how long a key must be unused to raise an alert.
type UnusedKeys struct {
	// days is the number of days, from 7 to 365, since the key was last used or, if it never was, since it was created. Default: 90.
	// +kubebuilder:validation:Minimum=7
	// +kubebuilder:validation:Maximum=365
	// +optional
	Days *int32 `json:"days,omitempty"`
}

// Recipients returns all recipients, by the names that filters use for them; none for nil.
func (a *Alerts) Recipients() (names []AlertRecipient) {
	if a == nil {
		return nil
	}
	for _, address := range a.Email {
		names = append(names, AlertRecipient(address))
	}
	for _, channel := range []struct {
		name  AlertRecipient
		isSet bool
	}{
		{"Webhook", a.Webhook != nil}, {"Slack", a.Slack != nil}, {"Teams", a.Teams != nil}, {"PagerDuty", a.PagerDuty != nil},
	} {
		if channel.isSet {
			names = append(names, channel.name)
		}
	}
	return names
}

// AlertFilter selects which alerts some of the recipients get.
//
// +kubebuilder:validation:XValidation:rule="has(self.limits) || has(self.minSeverity)",message="must set limits or minSeverity: without both, it selects every alert"
type AlertFilter struct {
	// recipients are the recipients that the filter applies to: addresses listed in email, or Webhook, Slack, Teams or PagerDuty.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +listType=set
	// +required
	Recipients []AlertRecipient `json:"recipients"`
	// limits are names of limits in spec.limits. The recipients get only the alerts about these limits. An alert about a breaker that is forced open concerns no limit, and is sent whatever limits are named. Anomalies concern no limit either, and are not sent where limits are named. Unset: alerts about all limits, and anomalies.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a limit"
	// +listType=set
	// +optional
	Limits []string `json:"limits,omitempty"`
	// minSeverity is the lowest severity of the alerts that the recipients get. Critical: only alerts about refused calls, which are raised at a Trip rung, when a limit is fully spent, and while the breaker is forced open. Warning: all alerts. Default: Warning.
	// +kubebuilder:validation:Enum=Warning;Critical
	// +optional
	MinSeverity AlertSeverity `json:"minSeverity,omitempty"`
}

// AlertRecipient is an address in email, Webhook, Slack, Teams or PagerDuty.
//
// +kubebuilder:validation:MinLength=5
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:XValidation:rule="self in ['Webhook', 'Slack', 'Teams', 'PagerDuty'] || self.contains('@')",message="must be an address in email, Webhook, Slack, Teams or PagerDuty"
type AlertRecipient string

// AlertSeverity is how severe an alert is.
type AlertSeverity string

// The severities of alerts.
const (
	SeverityWarning  AlertSeverity = "Warning"
	SeverityCritical AlertSeverity = "Critical"
)

// EmailAddress is an e-mail address, without a display name.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_%+-]+([.][A-Za-z0-9_%+-]+)*@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$')",message="must be an e-mail address without a name, such as \"ops@example.com\""
type EmailAddress string

// AlertWebhook names the URL that alerts are posted to. Exactly one of url and urlSecretRef must be set.
//
// +kubebuilder:validation:XValidation:rule="has(self.url) != has(self.urlSecretRef)",message="must set exactly one of url and urlSecretRef"
type AlertWebhook struct {
	// url is the https URL that alerts are posted to. The manager must be allowed to reach its host (--alert-allowed-hosts and --alert-allowed-networks; by default, the public internet). Redirects are not followed. Exactly one of url and urlSecretRef must be set.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https://[^/?#@ \\\\p{Cc}]+([/?#][^\\\\p{Cc}]*)?$')",message="must be a URL such as \"https://alerts.example.com/bursar\", with https and without user and password"
	// +optional
	URL string `json:"url,omitempty"`
	// urlSecretRef names the Secret key that contains the URL, if the URL is itself a secret. Exactly one of url and urlSecretRef must be set.
	// +optional
	URLSecretRef *SecretKeyRef `json:"urlSecretRef,omitempty"`
	// signingSecretRef names the Secret key that contains the signing secret: "whsec_" followed by 24 to 64 random bytes in base64. To rotate the secret, store the old one and the new one separated by whitespace: each request is signed with both.
	// +required
	SigningSecretRef SecretKeyRef `json:"signingSecretRef"`
}

// SlackAlerts names a Slack channel.
type SlackAlerts struct {
	// urlSecretRef names the Secret key that contains the URL of the channel's incoming webhook. Anyone who has the URL can post to the channel.
	// +required
	URLSecretRef SecretKeyRef `json:"urlSecretRef"`
}

// TeamsAlerts names a channel or chat of Microsoft Teams.
type TeamsAlerts struct {
	// urlSecretRef names the Secret key that contains the URL of a workflow that begins with "When a Teams webhook request is received" and posts the card that it receives. Anyone who has the URL can post there. Incoming webhook URLs of the connectors that Microsoft has retired do not work.
	// +required
	URLSecretRef SecretKeyRef `json:"urlSecretRef"`
}

// PagerDutyAlerts names a PagerDuty service.
type PagerDutyAlerts struct {
	// routingKeySecretRef names the Secret key that contains the integration key of the service's Events API v2 integration: 32 letters and digits.
	// +required
	RoutingKeySecretRef SecretKeyRef `json:"routingKeySecretRef"`
	// region is the service region of the PagerDuty account. US: events.pagerduty.com; EU: events.eu.pagerduty.com. Default: US.
	// +kubebuilder:validation:Enum=US;EU
	// +optional
	Region PagerDutyRegion `json:"region,omitempty"`
}

// PagerDutyRegion is a service region of PagerDuty.
type PagerDutyRegion string

// The service regions of PagerDuty.
const (
	PagerDutyUS PagerDutyRegion = "US"
	PagerDutyEU PagerDutyRegion = "EU"
)

// SecretKeyRef names a key of a Secret in the same namespace. The manager needs permission to read the Secret: a RoleBinding to the ClusterRole bursar-alert-secrets.
type SecretKeyRef struct {
	// name is the name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",message="must be the name of a Secret"
	// +required
	Name string `json:"name"`
	// key is the key in the Secret's data.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._A-Za-z0-9]+$')",message="must be a key of a Secret: letters, digits and - . _"
	// +required
	Key string `json:"key"`
}
