package authn

// Authenticator tells who a caller is.
type Authenticator struct{}
