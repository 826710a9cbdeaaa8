from .checks import Skipped as Skipped
from .contract import Outcome as Outcome
from .contract import examine as examine
from .fixtures import catalog as catalog
from .fixtures import fixed_chance as fixed_chance
from .fixtures import one_thread as one_thread
from .suite import PluginContract as PluginContract
