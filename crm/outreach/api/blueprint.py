"""The blueprint of outreach in the REST API, and who may do what there."""

from crm.accounts.guards import requires
from crm.accounts.kinds import Permission
from crm.web.api import api_blueprint

blueprint = api_blueprint("outreach")
may_look = requires(Permission.VIEW_OWN)
may_write = requires(Permission.WRITE)
may_approve = requires(Permission.APPROVE)
may_manage = requires(Permission.MANAGE_CHANNELS)
