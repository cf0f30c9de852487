-- Adds events to a stream, each (id, revision) once, in order, in one step.
--
-- KEYS[1]    the stream
-- KEYS[1+i]  marker of event i; in a cluster it must lie in the stream's slot (same hash tag)
-- ARGV[1]    how long a marker lives, seconds; longer than an event can wait in a spool
-- ARGV[2]    about how many entries the stream keeps
-- ARGV[...]  ten values for each event, in the order of FIELDS below
--
-- Returns for each event {entry id, 1 if it was there already, else 0}.
--
-- XADD comes first and the marker second, so that an error (out of memory, say) leaves no marker without an entry.
-- An error ends the script: what was added before it has its marker, and a second try goes on behind it.

local FIELDS = {'schema', 'type', 'id', 'revision', 'camera', 'event', 'start', 'end', 'score', 'body'}
local replies = {}

for i = 2, #KEYS do
  local entry = redis.call('GET', KEYS[i])
  if entry then
    replies[#replies + 1] = {entry, 1}
  else
    local first = 2 + (i - 2) * #FIELDS
    local values = {}
    for f = 1, #FIELDS do
      values[2 * f - 1] = FIELDS[f]
      values[2 * f] = ARGV[first + f]
    end
    entry = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(values))
    redis.call('SET', KEYS[i], entry, 'EX', ARGV[1])
    replies[#replies + 1] = {entry, 0}
  end
end

return replies
