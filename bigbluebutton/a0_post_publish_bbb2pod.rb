# encoding: UTF-8
#
# Hands a published recording to bbb2pod-hook, which takes a snapshot of it into its outbox.
#
# BBB runs the files of /usr/local/bigbluebutton/core/scripts/post_publish/ sorted by name, one
# after another, in its only worker, as `ruby FILE -m ID [-f FORMAT]`, and reads their output to
# its end. So this file has a name that sorts before scripts that may take the recording away,
# needs no gem (it runs under any bundle, on Ruby 1.9 to 3.x), leaves no process that holds BBB's
# pipes, never takes longer than LIMIT, and always ends with 0: what fails is in the log and in
# `bbb2pod-hook status`.

HOOK = ENV['BBB2POD_HOOK'] || '/usr/bin/bbb2pod-hook'
CONFIG = ENV['BBB2POD_HOOK_CONFIG'] || '/etc/bbb2pod/hook.yml'
LOG = ENV['BBB2POD_HOOK_LOG'] || '/var/log/bbb2pod-hook/bbb2pod-hook.log'

# Seconds after which BBB goes on, whatever the hook is waiting for; it usually takes hundredths.
LIMIT = (ENV['BBB2POD_HOOK_LIMIT'] || '5').to_f

# Parsed by hand: BBB may give options that this file does not know yet.
def options(arguments)
  names = { '-m' => :id, '--meeting-id' => :id, '-f' => :format, '--format' => :format }
  found = {}
  rest = arguments.dup
  until rest.empty?
    word = rest.shift
    name, value = word.split('=', 2)
    name, value = word[0, 2], word[2..-1] if word =~ /\A-[mf]./
    next unless names.key?(name)
    found[names[name]] = value || rest.shift
  end
  found
end

def open_log
  File.open(LOG, 'a')
rescue SystemCallError
  File.open('/dev/null', 'a')
end

def tell(log, text)
  log.write("#{Time.now.utc.strftime('%Y-%m-%dT%H:%M:%SZ')} a0_post_publish_bbb2pod: #{text}\n")
  log.flush
  $stderr.puts("bbb2pod: #{text}")
rescue SystemCallError
  nil
end

# The exit status, or nil when the limit came first; the hook then goes on by itself.
def run(command, log)
  pid = Process.spawn(*command, :in => '/dev/null', :out => log, :err => log,
                                :pgroup => true, :close_others => true, :chdir => '/')
  steps = (LIMIT / 0.005).ceil
  steps.times do
    return $?.exitstatus || $?.to_s if Process.waitpid(pid, Process::WNOHANG)
    sleep 0.005
  end
  Process.detach(pid)
  nil
end

begin
  log = open_log
  given = options(ARGV)
  if given[:id].to_s.empty?
    tell(log, "called without -m ID: #{ARGV.inspect}")
  else
    command = [HOOK, 'publish', '-m', given[:id]]
    command += ['-f', given[:format]] unless given[:format].to_s.empty?
    command += ['--config', CONFIG]
    status = run(command, log)
    if status.nil?
      tell(log, "#{given[:id]}: no end after #{LIMIT} s, left running in the background")
    elsif status != 0
      tell(log, "#{given[:id]}: bbb2pod-hook ended with #{status}; see #{LOG} and bbb2pod-hook status")
    end
  end
rescue Exception => e # rubocop:disable Lint/RescueException
  tell(log, "#{e.class}: #{e.message}") if log
end

exit 0
