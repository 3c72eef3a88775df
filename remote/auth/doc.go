// Package auth authorises requests to a registry: it reads challenges, keeps
// tokens in memory, and asks the token service for new ones. See the token
// authentication of the distribution project and RFC 9110, section 11.
package auth
