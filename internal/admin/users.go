package admin

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// CreateUser makes a person who can sign in. The answer has the password if it
// was generated; nobody can get it again.
func (c *Client) CreateUser(ctx context.Context, u NewUser) (UserCredential, error) {
	var out UserCredential
	err := c.call(ctx, http.MethodPost, "users", u, &out)
	return out, err
}

// Users lists all, by name.
func (c *Client) Users(ctx context.Context) iter.Seq2[User, error] {
	return pages(ctx, c, "users", func(p Users) ([]User, bool) { return p.Users, p.More }, func(u User) string { return u.Name })
}

// DeleteUser removes a user, who is refused from then on.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "users/"+url.PathEscape(name), nil, nil)
}

// SetPassword replaces the password of a user, by a generated one if password
// is "", which the answer has then.
func (c *Client) SetPassword(ctx context.Context, name, password string) (UserCredential, error) {
	var out UserCredential
	err := c.call(ctx, http.MethodPost, "users/"+url.PathEscape(name)+"/password", NewPassword{Password: password}, &out)
	return out, err
}
