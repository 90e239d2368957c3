package v1alpha1

// Alerts says who is told when a rung of the ladder is reached, or a limit is spent in
// full: each once for each limit, user, period and amount. All that are named are told.
//
// +kubebuilder:validation:XValidation:rule="has(self.email) || has(self.webhook) || has(self.slack)",message="must have email, webhook or slack: leave alerts out to tell nobody"
type Alerts struct {
	// email are the addresses to which e-mail is sent, one to each. It needs a mail
	// server, which the manager is told of by who runs it.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Email []EmailAddress `json:"email,omitempty"`
	// webhook is where a CloudEvent is posted, signed as Standard Webhooks has it.
	// +optional
	Webhook *AlertWebhook `json:"webhook,omitempty"`
	// slack is a channel of Slack, or of what takes the same messages, such as
	// Mattermost.
	// +optional
	Slack *SlackAlerts `json:"slack,omitempty"`
}

// EmailAddress is an address that e-mail is sent to.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_%+-]+([.][A-Za-z0-9_%+-]+)*@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$')",message="must be an e-mail address alone, such as \"ops@example.com\""
type EmailAddress string

// AlertWebhook is where alerts are posted.
//
// +kubebuilder:validation:XValidation:rule="has(self.url) != has(self.urlSecretRef)",message="must have one of url and urlSecretRef"
type AlertWebhook struct {
	// url is where alerts are posted: https alone, and a host that the manager may
	// reach. Redirects are not followed.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https://[^/?#@ ]+([/?#].*)?$')",message="must be a URL such as \"https://alerts.example.com/bursar\", with https and without user and password"
	// +optional
	URL string `json:"url,omitempty"`
	// urlSecretRef has the URL, where it is a secret itself.
	// +optional
	URLSecretRef *SecretKeyRef `json:"urlSecretRef,omitempty"`
	// signingSecretRef has the secret that requests are signed with: "whsec_" and
	// base64 of 24 to 64 random bytes. Several, apart by spaces or lines, sign all, so
	// that one can be changed for another.
	// +required
	SigningSecretRef SecretKeyRef `json:"signingSecretRef"`
}

// SlackAlerts is a channel of Slack.
type SlackAlerts struct {
	// urlSecretRef has the URL of the channel's incoming webhook: who has the URL can
	// write to the channel.
	// +required
	URLSecretRef SecretKeyRef `json:"urlSecretRef"`
}

// SecretKeyRef names a key of a Secret in the same namespace. The manager has to be let
// read it there, by a RoleBinding to the ClusterRole bursar-alert-secrets.
type SecretKeyRef struct {
	// name is the Secret's name.
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
