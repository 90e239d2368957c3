package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IdentityProvider names an issuer of tokens (JWT) that people and workloads may call models with, instead of an API key, and says how a token identifies its caller.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=idp,categories=bursar
// +kubebuilder:printcolumn:name="Issuer",type=string,JSONPath=`.status.issuer`
// +kubebuilder:printcolumn:name="Keys",type=string,JSONPath=`.status.conditions[?(@.type=="KeysFetched")].status`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IdentityProvider struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state: the issuer, which of its tokens are valid, and who their callers are.
	// +required
	Spec IdentityProviderSpec `json:"spec"`
	// status is the last observed state.
	// +kubebuilder:default={conditions: {{type: "Reconciling", status: "True", reason: "Pending", message: "waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status IdentityProviderStatus `json:"status,omitempty"`
}

// GetProgrammedStatus returns the part of the status that all kinds share.
func (p *IdentityProvider) GetProgrammedStatus() *ProgrammedStatus { return &p.Status.ProgrammedStatus }

// IdentityProviderList is a list of IdentityProviders.
//
// +kubebuilder:object:root=true
type IdentityProviderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IdentityProvider `json:"items"`
}

// IdentityProviderSpec is an issuer of tokens, and how its tokens identify callers.
//
// +kubebuilder:validation:XValidation:rule="has(self.claimMappings.tenant) == has(self.tenants)",message="must be set together with claimMappings.tenant: it lists the tenants that tokens may name",fieldPath=".tenants"
// +kubebuilder:validation:XValidation:rule="!has(self.client) || !has(self.issuer.cluster) || !self.issuer.cluster",message="requires issuer.url: nobody signs in at the cluster",fieldPath=".client"
type IdentityProviderSpec struct {
	// issuer says who issues the tokens, and where the signing keys are.
	// +required
	Issuer Issuer `json:"issuer"`
	// algorithms are the signature algorithms that a token may have. Nothing in a token adds one. Default: RS256 and ES256.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:default={RS256,ES256}
	// +listType=set
	// +optional
	Algorithms []SignatureAlgorithm `json:"algorithms,omitempty"`
	// claimValidationRules are conditions that the claims of a token must meet, in addition to those for every token: a valid signature, iss, aud, exp and, if the token has it, nbf, with 60 s of leeway. A token that fails one is refused. Unset: no others.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	ClaimValidationRules []ClaimValidationRule `json:"claimValidationRules,omitempty"`
	// claimMappings say how the claims of a token identify the caller.
	// +required
	ClaimMappings ClaimMappings `json:"claimMappings"`
	// userValidationRules are conditions that the result of claimMappings must meet. A token that fails one is refused. Unset: none.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	UserValidationRules []UserValidationRule `json:"userValidationRules,omitempty"`
	// tenants are the tenants that claimMappings.tenant may name. Other tenants in a token are ignored. A lone "*" allows every tenant: use it only if the issuer alone decides what the claim contains, and users cannot write it. Required with claimMappings.tenant; not allowed without it.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=512
	// +kubebuilder:validation:XValidation:rule="!('*' in self) || self.size() == 1",message="\"*\" allows every tenant: remove the others, or \"*\""
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([*]|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$')",message="must be the name of a tenant: lower-case letters, digits and hyphens; or \"*\" for every tenant"
	// +listType=set
	// +optional
	Tenants []string `json:"tenants,omitempty"`
	// allowedMemberships say which namespaces may have Memberships of this IdentityProvider, and whom each may name. What any entry allows is allowed. If two namespaces may name the same people, these people can be members of both tenants, and must then say which tenant pays. Unset: no Membership is accepted.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	AllowedMemberships []AllowedMemberships `json:"allowedMemberships,omitempty"`
	// client lets the console sign people in at the issuer, as an OpenID Connect client that uses the authorization code flow with PKCE. Unset: the console signs nobody in at this issuer, but accepts the issuer's tokens in requests.
	// +optional
	Client *SignInClient `json:"client,omitempty"`
}

// SignInClient is the console as a client of the issuer. Register it there with the redirect URI "https://CONSOLE/sign-in/callback".
type SignInClient struct {
	// clientID is the client's ID at the issuer. ID tokens are issued for it: list it in issuer.audiences unless the issuer adds another audience.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="must be visible ASCII characters, such as \"bursar-console\""
	// +required
	ClientID string `json:"clientID"`
	// clientSecretFile is the name of the file that contains the client's secret, in the directory that the console mounts (--client-secrets-dir). Unset: the client is public, and only PKCE protects its authorization codes. The secret itself is never in a resource.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-][A-Za-z0-9._-]*$')",message="must be the name of a file, without a directory"
	// +optional
	ClientSecretFile string `json:"clientSecretFile,omitempty"`
	// scopes are the scopes to request in addition to openid. Default: profile and email.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[!#-~]+$')",message="must be visible ASCII characters except for quotes, such as \"groups\""
	// +kubebuilder:default={profile,email}
	// +listType=set
	// +optional
	Scopes []string `json:"scopes,omitempty"`
	// token says which of the issuer's tokens the console verifies to identify the person: IDToken or AccessToken. An AccessToken must be a signed JWT. Default: IDToken.
	// +kubebuilder:validation:Enum=IDToken;AccessToken
	// +kubebuilder:default=IDToken
	// +optional
	Token SessionToken `json:"token,omitempty"`
	// displayName is the name that people see when they choose an issuer to sign in at. Unset: the name of the IdentityProvider.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]*$')",message="must not contain control characters"
	// +optional
	DisplayName string `json:"displayName,omitempty"`
}

// SessionToken is a kind of token that an issuer gives to a client.
type SessionToken string

// The kinds of tokens.
const (
	SessionTokenID     SessionToken = "IDToken"
	SessionTokenAccess SessionToken = "AccessToken"
)

// SignatureAlgorithm is an asymmetric signature algorithm of RFC 7518 or RFC 8037.
//
// +kubebuilder:validation:Enum=RS256;RS384;RS512;PS256;PS384;PS512;ES256;ES384;ES512;EdDSA
type SignatureAlgorithm string

// Issuer says who issues tokens, and where the signing keys are.
//
// +kubebuilder:validation:XValidation:rule="has(self.url) != (has(self.cluster) && self.cluster)",message="must set one of url and cluster: true"
// +kubebuilder:validation:XValidation:rule="!has(self.cluster) || !self.cluster || !(has(self.aliases) || has(self.discoveryURL) || has(self.jwksURL) || has(self.jwks) || has(self.certificateAuthority))",message="cluster: true finds everything by itself: remove aliases, discoveryURL, jwksURL, jwks and certificateAuthority"
// +kubebuilder:validation:XValidation:rule="!has(self.cluster) || !self.cluster || self.audiences.all(audience, !audience.startsWith('https://kubernetes.default'))",message="must not be an audience of the API server: a pod would send its rights in the cluster with every call. Give tokens an audience of their own, such as \"bursar\"",fieldPath=".audiences"
// +kubebuilder:validation:XValidation:rule="[has(self.discoveryURL), has(self.jwksURL), has(self.jwks)].filter(set, set).size() <= 1",message="must set at most one of discoveryURL, jwksURL and jwks"
// +kubebuilder:validation:XValidation:rule="!has(self.jwks) || !has(self.certificateAuthority)",message="is not needed with jwks: nothing is fetched",fieldPath=".certificateAuthority"
type Issuer struct {
	// url is the value that the iss claim of a token must have, such as "https://login.example.com". Only one IdentityProvider may name it. The signing keys are found through its discovery document, url + "/.well-known/openid-configuration", unless discoveryURL, jwksURL or jwks says otherwise. Required unless cluster is true.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https://[^/?#@\\\\s\\\\p{Cc}]+|http://(localhost|127[.]0[.]0[.]1)(:[0-9]+)?)(/[^?#@\\\\s\\\\p{Cc}]*)?$') && isURL(self)",message="must be an https URL without user, query and fragment, such as \"https://login.example.com\"; http only on localhost"
	// +optional
	URL string `json:"url,omitempty"`
	// cluster makes this cluster the issuer, if true. A pod then calls models with a projected token of its ServiceAccount, whose audience is in audiences. The manager reads issuer and keys from the API server. Not allowed with url. Default: false.
	// +optional
	Cluster bool `json:"cluster,omitempty"`
	// aliases are other values that the iss claim may have, such as "accounts.google.com". Each may be named by only one IdentityProvider. Unset: none.
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[!-~]+$')",message="must be visible ASCII characters, such as \"accounts.google.com\""
	// +listType=set
	// +optional
	Aliases []string `json:"aliases,omitempty"`
	// discoveryURL is the URL of the issuer's discovery document. The issuer in the document must equal url. Unset: url + "/.well-known/openid-configuration".
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https://[^/?#@\\\\s\\\\p{Cc}]+|http://(localhost|127[.]0[.]0[.]1)(:[0-9]+)?)(/[^#@\\\\s\\\\p{Cc}]*)?$') && isURL(self)",message="must be an https URL without user and fragment; http only on localhost"
	// +optional
	DiscoveryURL string `json:"discoveryURL,omitempty"`
	// jwksURL is the URL of the issuer's signing keys, as a JWK set (RFC 7517). Unset: the URL in the discovery document.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https://[^/?#@\\\\s\\\\p{Cc}]+|http://(localhost|127[.]0[.]0[.]1)(:[0-9]+)?)(/[^#@\\\\s\\\\p{Cc}]*)?$') && isURL(self)",message="must be an https URL without user and fragment; http only on localhost"
	// +optional
	JWKSURL string `json:"jwksURL,omitempty"`
	// jwks contains the issuer's signing keys: the JSON of a JWK set (RFC 7517) of public keys. Nothing is fetched then: update it when the issuer changes its keys. Unset: keys are fetched from the issuer.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=65536
	// +kubebuilder:validation:XValidation:rule="self.matches('^([\\\\n\\\\t]|[^\\\\p{Cc}])*$')",message="must not contain control characters other than newlines and tabs"
	// +optional
	JWKS string `json:"jwks,omitempty"`
	// certificateAuthority contains the certificates, in PEM, of the authorities that may sign the certificates of the servers from which the discovery document and the keys are fetched. Unset: the authorities that the manager's system trusts.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	// +kubebuilder:validation:XValidation:rule="self.matches('^([\\\\n\\\\t]|[^\\\\p{Cc}])*$')",message="must not contain control characters other than newlines and tabs"
	// +optional
	CertificateAuthority string `json:"certificateAuthority,omitempty"`
	// audiences are the audiences that a token may be issued for: its aud claim must contain one of them. A token for another audience, such as another application of the company, is refused.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[!-~]+$')",message="must be visible ASCII characters, such as \"bursar\""
	// +listType=set
	// +required
	Audiences []string `json:"audiences"`
	// audienceMatchPolicy says how audiences are matched. MatchAny: one of them is enough. Default, and only value: MatchAny.
	// +kubebuilder:validation:Enum=MatchAny
	// +kubebuilder:default=MatchAny
	// +optional
	AudienceMatchPolicy string `json:"audienceMatchPolicy,omitempty"`
}

// ClaimValidationRule is a condition that the claims of a token must meet: that a claim has a value, or that a CEL expression is true.
//
// +kubebuilder:validation:XValidation:rule="has(self.claim) != has(self.expression)",message="must set one of claim and expression"
// +kubebuilder:validation:XValidation:rule="has(self.claim) == has(self.requiredValue)",message="must be set together with claim",fieldPath=".requiredValue"
// +kubebuilder:validation:XValidation:rule="!has(self.message) || has(self.expression)",message="requires expression: remove it",fieldPath=".message"
type ClaimValidationRule struct {
	// claim is the name of a claim, such as "hd". Its value must be a string. Exactly one of claim and expression must be set.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="must be the name of a claim: visible ASCII characters"
	// +optional
	Claim string `json:"claim,omitempty"`
	// requiredValue is the value that the claim must have. Required with claim; not allowed otherwise.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]*$')",message="must not contain control characters"
	// +optional
	RequiredValue *string `json:"requiredValue,omitempty"`
	// expression is a CEL expression over the variable claims that must be true, such as "claims.email_verified == true". Exactly one of claim and expression must be set.
	// +optional
	Expression CELExpression `json:"expression,omitempty"`
	// message is what a caller is told if the token does not meet the expression. Unset: that a rule of the IdentityProvider is not met.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]*$')",message="must not contain control characters"
	// +optional
	Message string `json:"message,omitempty"`
}

// UserValidationRule is a condition that the result of the claim mappings must meet.
type UserValidationRule struct {
	// expression is a CEL expression over the variable user that must be true, such as "!user.username.startsWith('test-')". user has the fields username, tenants, tier, admin, groups and labels.
	// +required
	Expression CELExpression `json:"expression"`
	// message is what a caller is told if the token does not meet the expression. Unset: that a rule of the IdentityProvider is not met.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]*$')",message="must not contain control characters"
	// +optional
	Message string `json:"message,omitempty"`
}

// CELExpression is an expression in the Common Expression Language, as in the AuthenticationConfiguration of Kubernetes.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="self.matches('^([\\\\n\\\\t]|[^\\\\p{Cc}])*$')",message="must not contain control characters other than newlines and tabs"
type CELExpression string

// ClaimMappings say how the claims of a token identify the caller.
//
// +kubebuilder:validation:XValidation:rule="!has(self.admin) || has(self.tenant)",message="requires tenant: it says whether the caller administers the tenants that tenant names",fieldPath=".admin"
type ClaimMappings struct {
	// user is the caller. Limits with per: User count by it, and the ledger records it. It must be at most 128 letters, digits and . _ @ + -; a token that gives anything else is refused. Do not use a claim that users can change, such as a display name: it would let one user call as another.
	// +required
	User ClaimMapping `json:"user"`
	// tenant is the tenant, or the list of tenants, that the caller belongs to; see spec.tenants. Unset: only Memberships say so.
	// +optional
	Tenant *ClaimMapping `json:"tenant,omitempty"`
	// tier is the caller's tier, unless a Membership gives one. Unset: none.
	// +optional
	Tier *ClaimMapping `json:"tier,omitempty"`
	// admin says whether the caller administers the tenants that tenant names: true or false. Unset: false.
	// +optional
	Admin *ClaimMapping `json:"admin,omitempty"`
	// groups is the list of the caller's groups. Memberships may name members by group, and limits may select and count calls by group. A caller has at most 64 groups, including those of the Membership. A token with more is refused: use an expression that leaves out the groups that no limit and no Membership is about. Unset: none.
	// +optional
	Groups *ClaimMapping `json:"groups,omitempty"`
	// labels are the caller's labels, such as a cost centre. Limits may select calls by label, and the ledger records the labels. A claim that is missing, or is an empty string, gives no label. Unset: none.
	// +kubebuilder:validation:MaxProperties=8
	// +kubebuilder:validation:XValidation:rule="self.all(key, key.size() <= 63 && key.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$'))",message="must have names of letters, digits and . _ -, at most 63 of them, such as \"cost-centre\""
	// +optional
	Labels map[string]ClaimMapping `json:"labels,omitempty"`
}

// ClaimMapping is a value from a token: a claim, or the result of a CEL expression.
//
// +kubebuilder:validation:XValidation:rule="has(self.claim) != has(self.expression)",message="must set one of claim and expression"
type ClaimMapping struct {
	// claim is the name of the claim, such as "email". Exactly one of claim and expression must be set.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="must be the name of a claim: visible ASCII characters"
	// +optional
	Claim string `json:"claim,omitempty"`
	// expression is a CEL expression over the variable claims, such as "claims.roles.filter(r, r.startsWith('ai-'))". Exactly one of claim and expression must be set.
	// +optional
	Expression CELExpression `json:"expression,omitempty"`
}

// AllowedMemberships says which namespaces may have Memberships, and whom these may name.
//
// +kubebuilder:validation:XValidation:rule="has(self.namespaces) != has(self.namespaceSelector)",message="must set one of namespaces and namespaceSelector"
// +kubebuilder:validation:XValidation:rule="has(self.subjects) || has(self.emails) || has(self.groups)",message="must set subjects, emails or groups: otherwise nobody can be a member"
type AllowedMemberships struct {
	// namespaces are the names of the namespaces. Exactly one of namespaces and namespaceSelector must be set.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a namespace"
	// +listType=set
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
	// namespaceSelector selects the namespaces by their labels. With neither matchLabels nor matchExpressions, it selects all namespaces. Exactly one of namespaces and namespaceSelector must be set.
	// +optional
	NamespaceSelector *LabelSelector `json:"namespaceSelector,omitempty"`
	// subjects are the subjects (sub claims) by which members may be named. Each entry is a subject, or the beginning of a subject followed by "*". A lone "*" allows all. In a pattern, {namespace} stands for the Membership's namespace: "system:serviceaccount:{namespace}:*" allows each namespace its own ServiceAccounts. Unset: none.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([^*\\\\p{Cc}]+[*]?|[*])$')",message="must be a subject, or what it begins with and \"*\" after it, such as \"system:serviceaccount:acme:*\""
	// +listType=set
	// +optional
	Subjects []string `json:"subjects,omitempty"`
	// emails are the e-mail addresses by which members may be named. Each entry is an address, or "*@" followed by a domain for all addresses of the domain, such as "*@acme.example". A lone "*" allows all. Unset: none.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=254
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([*]|([*]|[A-Za-z0-9.!#$%&\\'+/=?^_`{|}~-]+)@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)$')",message="must be an e-mail address, or \"*@\" and a domain, such as \"*@acme.example\""
	// +listType=set
	// +optional
	Emails []string `json:"emails,omitempty"`
	// groups are the groups, as claimMappings.groups gives them, by which members may be named. Each entry is a group, or the beginning of a group's name followed by "*". A lone "*" allows all. In a pattern, {namespace} stands for the Membership's namespace. Unset: none.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([^*\\\\p{Cc}]+[*]?|[*])$')",message="must be a group, or what it begins with and \"*\" after it, such as \"acme/*\""
	// +listType=set
	// +optional
	Groups []string `json:"groups,omitempty"`
}

// IdentityProviderStatus is the observed state of an IdentityProvider.
type IdentityProviderStatus struct {
	ProgrammedStatus `json:",inline"`
	// issuer is the value that the iss claim of a token must have. Unset: the cluster's issuer is not known yet.
	// +optional
	Issuer string `json:"issuer,omitempty"`
	// keys are the signing keys that were fetched last. They stay in force while the issuer cannot be reached. Unset: none were fetched, or spec.issuer.jwks contains them.
	// +optional
	Keys *FetchedKeys `json:"keys,omitempty"`
}

// FetchedKeys are the signing keys fetched from an issuer.
type FetchedKeys struct {
	// source is where the fetch starts: the URL of the discovery document or of the keys, or "cluster".
	Source string `json:"source"`
	// fetchedAt is when the keys were last fetched.
	FetchedAt metav1.Time `json:"fetchedAt"`
	// changedAt is when these keys were first fetched.
	ChangedAt metav1.Time `json:"changedAt"`
	// ids are the IDs (kid) of the keys; empty for a key that has none.
	// +listType=atomic
	IDs []string `json:"ids"`
	// jwks is the JSON of the JWK set. It contains only public keys.
	JWKS string `json:"jwks"`
}
