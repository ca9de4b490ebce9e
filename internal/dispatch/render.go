package dispatch

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// ErrBody says that a delivery's body is no JSON object that members can be
// added to.
var ErrBody = errors.New("the body is no JSON object")

// Splice is the usual Config.Render: it adds the members "attempt" and
// "server_time" (rule 7.1) to the JSON object d.Body, which must not have them.
// It is called for each try, so both are fresh.
func Splice(d Delivery, now time.Time) ([]byte, error) {
	object := bytes.TrimSpace(d.Body)
	if len(object) < 2 || object[0] != '{' || object[len(object)-1] != '}' {
		return nil, ErrBody
	}
	members := bytes.TrimSpace(object[1 : len(object)-1])
	body := make([]byte, 0, len(members)+80)
	body = append(body, '{')
	body = append(body, members...)
	if len(members) > 0 {
		body = append(body, ',')
	}
	body = append(body, `"attempt":`...)
	body = strconv.AppendInt(body, int64(d.Attempt), 10)
	body = append(body, `,"server_time":"`...)
	body = now.UTC().AppendFormat(body, time.RFC3339Nano)
	return append(body, `"}`...), nil
}
